"""Strategy tables over HTTP: rows and their order, what a table leaves open, and journeys that name one."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from app.extensions import db
from app.journeys import strategy_coverage, strategy_tables
from app.models import Approval, Journey, JourneyVersion, StrategyRow, StrategyTable
from tests.conftest import Person
from tests.journeys.bank import Bank
from tests.journeys.conftest import bank  # noqa: F401
from tests.journeys.support import journey, wait
from tests.journeys.test_past import at, on
from tests.journeys.test_strategy import BANK, SMS, STEP, TABLE, VIP, table

DRAFT = journey(STEP, wait("wait"))
ROW = {"segments": ["SG-VIP"], "grades": ["A"], "template": "T-CALL", "hand_to": "owner", "place": ""}


@pytest.fixture
def ready(bank: Bank) -> Bank:  # noqa: F811
    bank.apply(**BANK, strategy_tables=[TABLE])
    return bank


@pytest.fixture
def manager(login: Callable[..., Person]) -> Person:
    return login("Manager", username="maker", language="zh")


def the_table(ready: Bank) -> StrategyTable:
    ready.session.expire_all()
    return ready.session.scalars(select(StrategyTable)).one()


def words(page: str) -> str:
    """The text of a page without its tags, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<main") :]).split())


def save(person: Person, said: dict[str, Any], version: int | None = None, seen: str = "") -> Any:
    path = f"/journeyversionview/edit/{version}" if version else "/journeyview/add"
    return person.submit(path, {"journey": json.dumps(said), "seen": seen})


def version_of(ready: Bank) -> JourneyVersion:
    ready.session.expire_all()
    return ready.session.scalars(select(JourneyVersion).order_by(JourneyVersion.id.desc()).limit(1)).one()


def test_a_table_is_made_and_gets_its_rows(ready: Bank, manager: Person) -> None:
    answer = manager.submit("/strategytableview/add", {"name": "新表", "code": "", "days": "10"})
    made = ready.session.scalars(select(StrategyTable).where(StrategyTable.name == "新表")).one()
    assert answer.location.endswith(f"/strategytableview/show/{made.id}")
    assert (made.days, made.updated_by) == (10, "maker")
    assert made.code
    page = manager.get(f"/strategytableview/show/{made.id}").text
    assert "表里还没有行" in page
    assert "没有行覆盖的客户" in page
    form = f"/strategyrowview/add?_flt_0_table={made.id}"
    assert form.replace("&", "&amp;") in page
    for fields in (ROW, ROW | {"segments": [], "grades": ["B"], "template": "", "hand_to": "branch"}):
        assert manager.submit(form, fields).status_code == 302
    sms = {"template": "T-LOAN", "hand_to": "nobody", "place": "1"}
    assert manager.submit(form, ROW | sms).status_code == 302
    ready.session.expire_all()
    assert [(row.position, row.channel, row.template, row.hand_to, row.grades) for row in made.rows] == [
        (1, "sms", "T-LOAN", "nobody", ["A"]),
        (2, "call", "T-CALL", "owner", ["A"]),
        (3, "none", "", "branch", ["B"]),
    ]
    shown = words(manager.get(f"/strategytableview/show/{made.id}").text)
    assert "1 高净值 A 不限 短信 短信 不移交 — 编辑" in shown
    assert "2 高净值 A 不限 外呼 电话 客户负责人 轮不到：前面的行已全部覆盖" in shown
    assert "轮不到的行（前面的行已覆盖其全部客户）：第 2 行。" in shown


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"place": "0"}, "place"),
        ({"place": "101"}, "place"),
        ({"place": "x"}, "place"),
        ({"grades": ["E"]}, "grades"),
        ({"segments": ["SG-NONE"]}, "segments"),
        ({"products": ["NONE"]}, "products"),
        ({"template": "T-NONE"}, "template"),
        ({"hand_to": "somebody"}, "hand_to"),
    ],
)
def test_wrong_input_is_said_beside_its_field(
    fields: dict[str, Any], said: str, ready: Bank, manager: Person
) -> None:
    key = the_table(ready).id
    answer = manager.submit(f"/strategyrowview/add?_flt_0_table={key}", ROW | fields)
    assert answer.status_code == 200
    assert f'id="{said}-error"' in answer.text
    assert len(the_table(ready).rows) == len(TABLE["rows"])  # type: ignore[arg-type]
    for bad in ({"name": ""}, {"name": "x" * 65}, {"days": "0"}, {"days": ""}, {"description": "长" * 2001}):
        path = f"/strategytableview/edit/{key}"
        assert manager.submit(path, {"name": "好", "days": "3", "description": ""} | bad).status_code == 200
    assert the_table(ready).name == TABLE["name"]


def test_a_full_table_takes_no_more_rows(ready: Bank, manager: Person) -> None:
    ready.apply(strategy_tables=[table(*([{"hand_to": "owner"}] * 100))])
    key = the_table(ready).id
    answer = manager.submit(f"/strategyrowview/add?_flt_0_table={key}", ROW)
    assert "一张决策表最多 100 行。" in answer.text
    assert len(the_table(ready).rows) == 100


def test_rows_change_places_and_close_up(ready: Bank, manager: Person) -> None:
    def order() -> list[int]:
        rows = the_table(ready).rows
        assert [row.position for row in rows] == [*range(1, len(rows) + 1)]
        return [row.id for row in rows]

    a, b, c, d = order()
    manager.submit(f"/strategyrowview/action/up/{c}")
    assert order() == [a, c, b, d]
    manager.submit(f"/strategyrowview/action/down/{c}")
    assert order() == [a, b, c, d]
    manager.submit(f"/strategyrowview/action/up/{a}")
    manager.submit(f"/strategyrowview/action/down/{d}")
    assert order() == [a, b, c, d]
    manager.submit(f"/strategyrowview/edit/{d}", ROW | {"place": "2"})
    assert order() == [a, d, b, c]
    assert ready.session.get_one(StrategyRow, d).template == "T-CALL"
    manager.submit(f"/strategyrowview/delete/{d}")
    assert order() == [a, b, c]


def test_rows_that_somebody_else_moved_meanwhile_are_numbered_as_they_are(ready: Bank) -> None:
    with ready.app.app_context():
        rows = [*db.session.scalars(select(StrategyTable)).one().rows]
        order = [row.id for row in rows]
        theirs = dict(zip(order, (3, 2, 1, 4), strict=True))
        for row in ready.session.scalars(select(StrategyRow)):
            row.position = theirs[row.id]
        ready.session.commit()
        strategy_tables.shift(rows[3], -1, "maker")
        db.session.commit()
    first, second, third, fourth = order
    assert [(row.id, row.position) for row in the_table(ready).rows] == [
        *((third, 1), (second, 2), (fourth, 3), (first, 4))
    ]


def test_gaps_say_how_many_customers_fall_in_them(
    ready: Bank, login: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.apply(strategy_tables=[table({**VIP, "grades": ["A"]}, {**SMS, "grades": ["B"]})])
    day = dt.timedelta(days=1)
    hits = [("A", on(0)), ("C", on(0)), ("C", on(0) - 40 * day), ("B", on(0))]
    for number, (grade, when) in enumerate(hits):
        ready.hit(ready.customer(number), when, grade=grade)
    both = ready.customer(9)
    ready.hit(both, on(0), grade="B")
    ready.hit(both, on(0) - day, grade="D")
    ready.session.commit()
    ready.move(at(on(1), 9))
    key = the_table(ready).id

    def gaps(role: str) -> str:
        person = login(role, language="zh")
        return words(f"<main>{person.get(f'/strategytableview/gaps/{key}').text}")

    found = gaps("Manager")
    # A: not rich. C and D: one now, one too long ago; who has B as well is answered.
    assert "A 消费贷 不属于 高净值 1" in found
    assert "C、D 消费贷 不论客群 1" in found
    assert "A、C、D 其他 不论客群 0" in found
    assert "近 30 天没有命中 不论客群 1" in found
    assert "A 消费贷 不属于 高净值 0" in gaps("Marketer"), "of no branch of the reader"
    late = partial(strategy_coverage.Deadline, seconds=0)
    monkeypatch.setattr(strategy_coverage, "Deadline", late)
    assert "A 消费贷 不属于 高净值 —" in gaps("Manager")
    ready.apply(strategy_tables=[table(SMS)])
    assert "今天" in gaps("Manager")


def test_a_draft_keeps_the_table_and_the_version_has_what_it_meant(
    ready: Bank, manager: Person, login: Callable[..., Person]
) -> None:
    checker = login("Manager", username="checker", language="zh")
    assert save(manager, DRAFT).status_code == 200
    draft = version_of(ready)
    assert draft.spec["steps"][0] == STEP
    page = words(manager.get(f"/journeyversionview/show/{draft.id}").text)
    assert "决策表 首触" in page
    steps = manager.get(f"/journeyversionview/steps/{draft.id}").text
    assert "按决策表“首触”处理；有对应行" in words(f"<main>{steps}")
    submission = words(manager.get(f"/journeyversionview/submit/{draft.id}").text)
    assert "决策表“首触”" in submission
    assert "(2) 客群 高净值 → 交给所属机构人员" in submission
    # Returned, it is a draft again; submitted again it means what the table says then.
    manager.submit(f"/journeyversionview/submit/{draft.id}", {"reason": "试"})
    assert [each["do"] for each in version_of(ready).spec["steps"]][:2] == ["branch", "contact"]
    first = ready.session.scalars(select(Approval)).one()
    checker.submit(f"/approvalview/reject/{first.id}", {"note": "再想想"})
    assert (version_of(ready).spec["steps"][0], version_of(ready).written) == (STEP, None)
    ready.apply(strategy_tables=[table({**SMS, "grades": ["A"]})])
    manager.submit(f"/journeyversionview/submit/{draft.id}", {"reason": "试"})
    # What was submitted is approved, whatever the table says now.
    ready.apply(strategy_tables=[TABLE])
    second = ready.session.scalars(select(Approval).order_by(Approval.id.desc()).limit(1)).one()
    checker.submit(f"/approvalview/approve/{second.id}", {"note": ""})
    version = version_of(ready)
    assert version.status == "active"
    assert [each["id"] for each in version.spec["steps"]] == ["ask", "ask-sms-T-LOAN", "wait", "end"]
    key = ready.session.scalars(select(Journey.id)).one()
    for path in (f"/journeyversionview/show/{version.id}", f"/journeyview/show/{key}"):
        assert "本版本所用的决策表或表中所列客群、产品此后有改动" in manager.get(path).text
    assert "仍是改动前的表" in manager.get(f"/strategytableview/show/{the_table(ready).id}").text
    ready.apply(strategy_tables=[table({**SMS, "grades": ["A"]})])
    assert "此后有改动" not in manager.get(f"/journeyview/show/{key}").text
    # The next draft begins with the journey as it was written.
    manager.submit(f"/journeyview/action/draft/{key}")
    assert version_of(ready).number == 2
    assert version_of(ready).spec["steps"][0] == STEP


def test_a_former_version_comes_back_as_what_it_was(
    ready: Bank, manager: Person, login: Callable[..., Person]
) -> None:
    checker = login("Manager", username="checker")
    ready.apply(strategy_tables=[table({**SMS, "grades": ["A"]})], journeys=[DRAFT])
    former = version_of(ready)
    ready.apply(strategy_tables=[TABLE], journeys=[DRAFT])
    manager.submit(f"/journeyversionview/submit/{former.id}", {"reason": "回退"})
    request = ready.session.scalars(select(Approval)).one()
    checker.submit(f"/approvalview/approve/{request.id}", {"note": ""})
    back = version_of(ready)
    assert (back.number, back.status) == (3, "active")
    assert (back.spec, back.written) == (former.spec, former.written)


def test_a_table_that_a_journey_names_stays(ready: Bank, manager: Person) -> None:
    key = the_table(ready).id
    save(manager, DRAFT)
    answer = manager.submit(f"/strategytableview/delete/{key}", follow_redirects=True)
    assert "旅程 v1 用到决策表“首触”，不能删除。" in answer.text
    ready.session.delete(version_of(ready).journey)
    ready.session.commit()
    manager.submit(f"/strategytableview/delete/{key}")
    ready.session.expire_all()
    assert ready.session.scalars(select(StrategyTable)).all() == []


def test_the_editor_offers_tables_and_says_their_problems_at_the_step(ready: Bank, manager: Person) -> None:
    page = manager.get("/journeyview/add").text
    start = re.search(r'data-start="([^"]*)"', page)
    assert start is not None
    (offered,) = json.loads(html.unescape(start[1]))["tables"]
    assert (offered["code"], offered["name"]) == ("ST-1", "首触")
    assert offered["rows"][0] == "客群 高净值、等级 A、B、产品 消费贷 → 外呼「电话」、交给客户负责人"
    assert offered["rows"][2] == "等级 C → 不联系"

    def said(step: dict[str, Any]) -> Any:
        text = json.dumps(journey(step, wait("wait")))
        return manager.submit("/journeyversionview/wording", {"journey": text}).json

    answer = said(STEP | {"held": "wait"})
    assert answer["problems"] == []
    assert answer["steps"]["ask"] == {
        "text": "按决策表“首触”处理",
        "ways": ["有对应行", "没有对应行", "未能触达"],
    }
    assert "按决策表“首触”处理" in answer["sentence"]
    for step, problem in (
        ({**STEP, "table": ""}, ("ask", "table", "此项必填。")),
        ({**STEP, "table": "ST-9"}, ("ask", "", "没有编码为 ST-9 的决策表。")),
    ):
        found = [(each["step"], each["field"], each["text"]) for each in said(step)["problems"]]
        assert found == [problem]
    ready.apply(strategy_tables=[table({"segments": ["SG-TWO"], **SMS})])
    (problem,) = said(STEP)["problems"]
    assert problem["step"] == "ask"
    assert problem["text"].startswith("决策表 ST-1 第 1 行：")
    # A draft that can't run is shown, and neither submitted nor simulated.
    save(manager, DRAFT)
    draft = version_of(ready)
    for path in (f"/journeyversionview/show/{draft.id}", f"/journeyversionview/edit/{draft.id}"):
        assert manager.get(path).status_code == 200
    manager.submit(f"/journeyversionview/submit/{draft.id}", {"reason": "试"})
    assert version_of(ready).status == "draft"


def test_who_works_with_customers_reads_tables_and_changes_none(
    ready: Bank, login: Callable[..., Person]
) -> None:
    marketer, key = login("Marketer"), the_table(ready).id
    page = marketer.get(f"/strategytableview/show/{key}").text
    assert "Which row answers whom" in page
    assert "/strategyrowview/add" not in page
    assert "/strategyrowview/edit" not in page
    assert "/strategyrowview/action/" not in page
    assert "/strategytableview/edit" not in page
