"""Strategy tables: what keeps a journey from naming one, the steps that it means, and what it answers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.extensions import db
from app.journeys import drafts
from app.journeys.definition import JourneyDef
from app.journeys.strategy import Book, RowDef, TableDef, condition
from app.journeys.strategy_coverage import GRADES, NO_HIT, Cell, Coverage
from app.models import JourneyVersion
from tests.journeys.bank import Bank, compare, populate
from tests.journeys.support import AROUND, RICH, journey, sms, wait
from tests.journeys.test_past import RULES, at, on

Run = Callable[[Any], tuple[int, dict[str, Any]]]
RULE = AROUND["rules"][0]
SEGMENTS = [
    *AROUND["segments"],
    {"code": "SG-ALL", "name": "全部"},
    {
        "code": "SG-TWO",
        "name": "互动",
        "filter": {"interactions": 2, "days": 30},
    },
    {
        "code": "SG-LONG",
        "name": "繁多",
        "filter": {"any": [{"fact": "aum", "op": ">=", "value": n} for n in range(49)]},
    },
]
BANK = {**AROUND, "segments": SEGMENTS, "rules": [{**RULE, "products": ["LOAN-C"]}]}
CALL = {"channel": "call", "template": "T-CALL"}
SMS = {"channel": "sms", "template": "T-LOAN"}
VIP = {"segments": ["SG-VIP"], "products": ["LOAN-C"], "grades": ["A", "B"], **CALL, "hand_to": "owner"}
TABLE = {
    "code": "ST-1",
    "name": "首触",
    "rows": [
        VIP,
        {"segments": ["SG-VIP"], "hand_to": "branch"},
        {"grades": ["C"]},
        {"grades": ["A"], **SMS},
    ],
}
STEP = {"id": "ask", "do": "strategy", "table": "ST-1", "then": "wait", "else": "end"}
BY_TABLE = journey(STEP, wait("wait"))


def table(*rows: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {**TABLE, "rows": [*rows], **values}


def test_a_journey_with_a_strategy_table_can_run(check: Run) -> None:
    content = {**BANK, "strategy_tables": [TABLE], "journeys": [BY_TABLE]}
    assert check(content) == (0, {"ok": True, "problems": []})


@pytest.mark.parametrize(
    ("given", "steps", "message"),
    [
        (table(code="ST-2"), [STEP], "There is no strategy table with the code ST-1."),
        (table(), [STEP], "The strategy table ST-1 has no rows."),
        (
            table({"grades": ["A"]}, {}),
            [STEP],
            "No row of the strategy table ST-1 contacts anybody or hands them over.",
        ),
        (
            table({}, VIP),
            [STEP],
            "The first row of the strategy table ST-1 answers everybody and does nothing.",
        ),
        (
            table(VIP, {**SMS, "template": "T-OLD"}),
            [STEP],
            "Row 2 of the strategy table ST-1: The template T-OLD is not approved for use.",
        ),
        (
            table({**VIP, "products": ["CARD"]}),
            [STEP],
            "Row 1 of the strategy table ST-1: No rule in force is about the product CARD.",
        ),
        (
            table({**VIP, "segments": ["SG-TWO"]}),
            [STEP],
            "Row 1 of the strategy table ST-1: A journey can't count interactions beyond the first yet.",
        ),
        (
            table({**VIP, "segments": ["SG-LONG", "SG-VIP"]}),
            [STEP],
            "Row 1 of the strategy table ST-1: The segments of the row have more than 50 tests together.",
        ),
        (TABLE, [{**STEP, "else": "gone"}], "else names the step gone, which does not exist."),
        (TABLE, [STEP, sms("ask-sms-T-LOAN")], "Nobody can reach the step ask-sms-T-LOAN."),
        (TABLE, [{**STEP, "else": "ask-sms-T-LOAN"}, sms("ask-sms-T-LOAN")], "Several steps have the id"),
    ],
)
def test_what_keeps_a_table_from_being_used_is_said_with_step_and_row(
    given: dict[str, Any], steps: list[dict[str, Any]], message: str, check: Run
) -> None:
    products = [*AROUND["products"], {"code": "CARD", "name": "卡", "line": "card"}]
    content = {**BANK, "products": products, "strategy_tables": [given]}
    code, answer = check({**content, "journeys": [journey(*steps, wait("wait"))]})
    said = [(each["step"], each["message"]) for each in answer["problems"]]
    place = steps[-1]["id"] if "reach" in message else "ask"
    assert code == 1
    assert any(step == place and text.startswith(message) for step, text in said), said


def test_rows_that_no_table_can_have_are_refused_with_their_place(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "file.yaml"
    rows = [
        {"segments": ["SG-NONE"], "products": ["NONE"], "channel": "sms", "template": "T-CALL"},
        {"channel": "sms", "template": "T-NONE"},
    ]
    content = {**BANK, "strategy_tables": [table(*rows), table(code="ST-2")]}
    file.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    result = cli("config", "apply", file)
    assert result.exit_code == 1
    said = result.stderr
    for line in (
        "strategy_tables[0].rows[0].segments[0]: 'SG-NONE': unknown segment code",
        "strategy_tables[0].rows[0].products[0]: 'NONE': unknown product code",
        "strategy_tables[0].rows[0].channel: 'sms': the template is for call",
        "strategy_tables[0].rows[1].template: 'T-NONE': unknown template code",
        "strategy_tables[0]: Another strategy table has the name 首触.",
    ):
        assert line in said
    for bad in ({"channel": "sms"}, {"template": "T-LOAN"}, {"grades": ["A", "A"]}, {"grades": ["E"]}):
        file.write_text(yaml.safe_dump({"strategy_tables": [table(bad)]}), "utf-8")
        assert cli("config", "diff", file).exit_code == 1


def versions(session: Session) -> list[JourneyVersion]:
    session.expire_all()
    return list(session.scalars(select(JourneyVersion).order_by(JourneyVersion.number)))


def test_a_table_takes_effect_with_a_version_and_the_configuration_comes_back_as_it_was(
    bank: Bank, cli: Callable[..., Any], session: Session, tmp_path: Path
) -> None:
    bank.apply(**BANK, strategy_tables=[TABLE], journeys=[BY_TABLE])
    (version,) = versions(session)
    steps = {each["id"]: each for each in version.spec["steps"]}
    hits = {"hits": {"rules": ["R-1"], "grades": ["A", "B"], "days": 30}}
    rich = RICH["all"][0]
    assert steps["ask"]["cases"] == [
        {"when": {"all": [rich, hits]}, "then": "ask-call-T-CALL-owner"},
        {"when": rich, "then": "ask-hand-branch"},
        {"when": {"hits": {"grades": ["C"], "days": 30}}, "then": "wait"},
        {"when": {"hits": {"grades": ["A"], "days": 30}}, "then": "ask-sms-T-LOAN"},
    ]
    assert steps["ask"]["else"] == "end"
    assert steps["ask-call-T-CALL-owner"]["then"] == "ask-hand-owner"
    assert [*steps] == [
        *("ask", "ask-call-T-CALL-owner", "ask-hand-owner", "ask-hand-branch", "ask-sms-T-LOAN"),
        *("wait", "end"),
    ]
    exported = cli("config", "export").stdout
    file = tmp_path / "exported.yaml"
    file.write_text(exported, "utf-8")
    assert yaml.safe_load(exported)["journeys"] == [
        BY_TABLE | {"steps": [STEP, wait("wait"), {"id": "end", "do": "end"}]}
    ]
    assert cli("config", "apply", file).exit_code == 0
    assert cli("config", "diff", file).exit_code == 0
    assert cli("config", "export").stdout == exported
    assert len(versions(session)) == 1
    changed = yaml.safe_load(exported)
    changed["strategy_tables"][0]["rows"] = [{**SMS, "grades": ["B"]}]
    file.write_text(yaml.safe_dump(changed), "utf-8")
    told = cli("config", "diff", file)
    assert told.exit_code == 1
    assert (
        "strategy_tables ST-1: Row 1: segment 高净值, grade A, B, product 消费贷 → Outbound call “电话”, "
        "handed to the customer's owner → grade B → SMS “短信”"
    ) in told.stdout
    assert "strategy_tables ST-1: Row 4: grade A → SMS “短信” → –" in told.stdout
    assert "journeys J: Step 1: Branch by conditions; " in told.stdout
    # The table alone changes no journey: what is in force is exported as the steps that it has.
    bank.apply(strategy_tables=[table({**SMS, "grades": ["B"]})])
    assert [each.spec for each in versions(session)] == [version.spec]
    exported = yaml.safe_load(cli("config", "export").stdout)["journeys"][0]
    assert exported["steps"] == version.spec["steps"]
    bank.apply(journeys=[exported])
    assert len(versions(session)) == 1
    # The journey as it was written takes up the change, in a version of its own.
    bank.apply(journeys=[BY_TABLE])
    newest = versions(session)[-1]
    assert newest.number == 2
    assert newest.spec["steps"][0]["cases"][0]["when"] == {"hits": {"grades": ["B"], "days": 30}}


def test_a_row_for_everybody_ends_the_table(bank: Bank, session: Session) -> None:
    rest = journey({**STEP, "else": "rest"}, wait("wait"), sms("rest"))
    bank.apply(**BANK, strategy_tables=[table(VIP, SMS, {"hand_to": "owner"})], journeys=[rest])
    (version,) = versions(session)
    ask, *others = version.spec["steps"]
    assert (len(ask["cases"]), ask["else"]) == (1, "ask-sms-T-LOAN")
    assert [each["id"] for each in others] == [
        *("ask-call-T-CALL-owner", "ask-hand-owner", "ask-sms-T-LOAN", "wait", "end")
    ]
    bank.apply(**BANK, strategy_tables=[table({**CALL, "segments": ["SG-ALL"]})], journeys=[BY_TABLE])
    first = versions(session)[-1].spec["steps"][0]
    assert (first["id"], first["do"], first["template"]) == ("ask", "contact", "T-CALL")


def test_a_contact_has_the_same_id_whatever_its_row(bank: Bank, session: Session) -> None:
    code = f"T.{'9' * 62}"
    templates = [*BANK["templates"], {"code": code, "name": "长", "channel": "sms", "text": "您好"}]
    rows = [VIP, {"grades": ["C"], **SMS, "template": code, "hand_to": "branch"}, {"grades": ["D"], **SMS}]
    long = {**STEP, "id": "x" * 32}
    found = []
    for order in (rows, [rows[2], rows[0], rows[1]]):
        around = {**BANK, "templates": templates, "strategy_tables": [table(*order)]}
        bank.apply(**around, journeys=[journey(long, wait("wait"))])
        steps = versions(session)[-1].spec["steps"]
        found.append({each["template"]: each["id"] for each in steps if each["do"] == "contact"})
    assert found[0] == found[1]
    assert len({*found[0].values()}) == 3


def test_many_rows_are_branches_one_behind_the_other(bank: Bank, session: Session) -> None:
    rows = [{**SMS, "grades": ["A"]}] * 50
    bank.apply(**BANK, strategy_tables=[table(*rows)], journeys=[BY_TABLE])
    (version,) = versions(session)
    branches = [each for each in version.spec["steps"] if each["do"] == "branch"]
    assert [(each["id"], len(each["cases"]), each["else"]) for each in branches] == [
        ("ask", 20, "ask-from-21"),
        ("ask-from-21", 20, "ask-from-41"),
        ("ask-from-41", 10, "end"),
    ]


def test_what_happens_by_a_table_is_what_the_simulation_shows(bank: Bank) -> None:
    rows = [
        VIP,
        {"grades": ["D"], "hand_to": "owner"},
        {"grades": ["B"]},
        {**SMS, "grades": ["A", "C"], "hand_to": "branch"},
    ]
    steps = (
        {**STEP, "held": "wait", "hold_hours": 8},
        wait("wait", "sms", days=3, until="outcome", timeout="ask"),
        sms("sms"),
    )
    some = {"code": "SG-VIP", "name": "高净值", "filter": {"fact": "aum", "op": ">=", "value": 1000}}
    bank.apply(
        **{**BANK, "segments": [some]},
        outreach=RULES,
        strategy_tables=[table(*rows)],
        journeys=[journey(*steps, trigger={"on": "hit"}, reentry={"after_days": 9})],
    )
    bank.last = on(9)
    populate(bank, random.Random(5), 30)
    bank.live()
    shown = compare(bank, "J")
    taken = {row[5] for row in shown if row[1] == "ask"}
    assert taken >= {"case 1", "case 2", "case 3", "case 4"}
    assert {row[1] for row in shown} >= {"ask-call-T-CALL-owner", "ask-sms-T-LOAN-branch", "ask-hand-owner"}
    contacts = [row for row in shown if "-T-" in row[1] or row[1] == "sms"]
    assert bank.messages() == sum(row[4] == "done" for row in contacts) > 0


def test_a_draft_is_simulated_by_what_its_table_says_now(bank: Bank) -> None:
    bank.apply(**BANK, strategy_tables=[TABLE])
    with bank.app.app_context():
        drafts.create(JourneyDef.model_validate(BY_TABLE), "maker")
        db.session.commit()
    bank.last = on(3)
    for number, grade in enumerate("ABCD"):
        bank.hit(bank.customer(number), on(0), grade=grade, created_at=at(on(1), 6))
    bank.live()
    bank.move(at(on(4), 3))
    shown, rows = bank.simulate("--version", "1")
    assert {id_: each["entered"] for id_, each in shown["steps"].items() if each["entered"]} == {
        "ask": 4,
        "ask-sms-T-LOAN": 1,
        "wait": 2,
        "end": 4,
    }
    assert [(row[0], row[5]) for row in rows if row[1] == "ask"] == [
        *(("L0000", "case 4"), ("L0001", "else"), ("L0002", "case 3"), ("L0003", "else"))
    ]
    bank.apply(strategy_tables=[table({"grades": ["B"], "hand_to": "branch"})])
    shown, _rows = bank.simulate("--version", "1")
    assert [*shown["steps"]] == ["ask", "ask-hand-branch", "wait", "end"]
    assert shown["steps"]["wait"]["entered"] == 1


# -- what a table answers ------------------------------------------------------------------------------

NAMES = ("S1", "S2", "S3")
PRODUCTS = ("P1", "P2")
some_rows = st.lists(
    st.builds(
        RowDef,
        segments=st.lists(st.sampled_from(NAMES), unique=True, max_size=2),
        grades=st.lists(st.sampled_from(GRADES), unique=True, max_size=3),
        products=st.lists(st.sampled_from(PRODUCTS), unique=True, max_size=2),
        hand_to=st.just("owner"),
    ),
    max_size=6,
)


def answers(row: RowDef, cell: Cell, inside: set[str]) -> bool:
    """Whether a row answers a customer with one hit, or none, who is in some segments."""
    asked = not row.segments or bool(set(row.segments) & inside)
    if cell == NO_HIT:
        return asked and not row.grades and not row.products
    return (
        asked
        and (not row.grades or cell.grade in row.grades)
        and (not row.products or cell.product in row.products)
    )


@settings(deadline=None)
@given(some_rows)
def test_gaps_overlaps_and_rows_never_reached_are_those_of_all_combinations(rows: list[RowDef]) -> None:
    found = Coverage(TableDef(code="T", name="表", rows=rows))
    cells = [NO_HIT, *(Cell(grade, product) for grade in GRADES for product in (*PRODUCTS, None))]
    insides = [set(some) for n in range(4) for some in itertools.combinations(NAMES, n)]
    first, both = set[int](), set[tuple[int, int]]()
    named = {code for row in rows for code in row.products}
    for cell, inside in itertools.product(cells, insides):
        numbers = [number for number, row in enumerate(rows, 1) if answers(row, cell, inside)]
        first.update(numbers[:1])
        both.update(itertools.combinations(numbers, 2))
        known = cell if cell.product in named else Cell(cell.grade, None)
        in_gap = any(
            (known.grade in gap.grades and known.product in gap.products if gap.grades else known == NO_HIT)
            and not set(gap.outside) & inside
            for gap in found.gaps()
        )
        assert in_gap == (not numbers)
        told = {
            (each.first, each.second)
            for each in found.overlaps()
            if (cell != NO_HIT or not (each.grades or each.products))
            and (not each.grades or cell.grade in each.grades)
            and (not each.products or cell.product in each.products)
            and (not each.segments or set(each.segments) & inside or _at_once(rows, each, inside))
            and (not each.ones or (set(each.ones) & inside and set(each.others) & inside))
        }
        assert told == set(itertools.combinations(numbers, 2))
        if len(inside) < 2:
            assert found.answering(known, next(iter(inside), None)) == numbers
    assert {(each.first, each.second) for each in found.overlaps()} == both
    assert found.unreached() == [number for number in range(1, len(rows) + 1) if number not in first]


def _at_once(rows: list[RowDef], each: Any, inside: set[str]) -> bool:
    """Whether customers are in a segment of either row without being in one of both."""
    one, other = (set(rows[number - 1].segments) for number in (each.first, each.second))
    return bool(one & inside and other & inside)


def test_a_table_of_fifty_rows_is_looked_at_whole() -> None:
    dice = random.Random(1)
    rows = [
        RowDef(
            segments=dice.sample([f"S{n}" for n in range(10)], dice.randint(0, 3)),
            grades=dice.sample(GRADES, dice.randint(0, 2)),
            products=dice.sample([f"P{n}" for n in range(20)], dice.randint(0, 4)),
            hand_to="owner",
        )
        for _row in range(50)
    ]
    found = Coverage(TableDef(code="T", name="表", rows=rows))
    assert len(found.overlaps()) > 100
    assert len(found.products) == 21
    assert found.unreached() or found.gaps()


def test_a_row_without_segments_of_its_own_asks_for_hits_alone() -> None:
    book = Book({}, {"S": None}, {"R": ["P"], "R2": ["Q"]})
    row = RowDef(segments=["S"], products=["P"], hand_to="owner")
    assert condition(row, 7, book).model_dump(exclude_defaults=True) == {"hits": {"rules": ["R"], "days": 7}}
