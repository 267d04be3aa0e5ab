"""`flask journeys simulate`: recorded hits, facts, outcomes and contacts, led through a journey in force."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.journeys.definition import JourneyDef
from app.models import (
    ControlMember,
    Hit,
    Lead,
    Outreach,
    OutreachBatch,
    OutreachTemplate,
    Rule,
    Suppression,
)
from app.outreach.settings import OutreachSettings
from app.schedules.calendar import Calendar
from config import Settings
from tests.clock import ZONE
from tests.journeys.brute import NEVER, Bank, Brute, Person
from tests.journeys.support import RECALL, journey, sms, wait

#: a period with the holidays of October in it
FIRST, LAST = dt.date(2025, 9, 24), dt.date(2025, 10, 31)
RULES = {
    "hours": ["09:30", "19:00"],
    "caps": [{"channel": "sms", "contacts": 1, "days": 4}, {"channel": "all", "contacts": 3, "days": 9}],
    "excluded_grades": ["D"],
}


def at(day: dt.date, hour: int = 0, minute: int = 0) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour, minute), ZONE).astimezone(dt.UTC)


def on(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


class Records:
    """A bank whose records are made in a test."""

    def __init__(self, cli: Callable[..., Any], session: Session, folder: Path) -> None:
        self.cli, self.session, self.folder, self.last = cli, session, folder, LAST

    def apply(self, **content: Any) -> None:
        file = self.folder / "config.yaml"
        file.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
        result = self.cli("config", "apply", file)
        assert result.exit_code == 0, result.stderr

    def load(self, *words: Any, rows: list[list[Any]]) -> None:
        file = self.folder / "rows.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(rows)
        if len(rows) > 1:
            result = self.cli(*words, file, "--json")
            assert result.exit_code == 0, result.stderr

    def lead(self, number: int, phone: int | None = None, **values: Any) -> Lead:
        phone = number if phone is None else phone
        made = Lead(
            **{
                "lead_no": f"L{number:04d}",
                "name": f"客{number}",
                "id_hash": hashlib.sha256(f"id {number}".encode()).hexdigest(),
                "phone_cipher": b"x",
                "phone_index": hashlib.sha256(f"phone {phone}".encode()).hexdigest(),
                "phone_masked": f"138****{phone:04d}",
            }
            | values
        )
        self.session.add(made)
        self.session.flush()
        return made

    def hit(self, lead: Lead, day: dt.date, **values: Any) -> Hit:
        rule = self.session.scalars(select(Rule).where(Rule.code == "R-1")).one()
        made = Hit(
            **{
                "rule_id": rule.id,
                "version_id": rule.active_version_id,
                "lead_id": lead.id,
                "hit_date": day,
                "made_on": day,
                "last_met_on": day,
                "values": [3],
                "score": 5.0,
                "grade": "B",
                "evidence": {},
            }
            | values
        )
        self.session.add(made)
        self.session.flush()
        return made

    def contact(self, lead: Lead, moment: dt.datetime, channel: str, status: str = "sent") -> None:
        template = self.session.scalars(
            select(OutreachTemplate).where(OutreachTemplate.channel == channel)
        ).first()
        assert template is not None
        version = template.versions[0].id
        batch = OutreachBatch(
            channel=channel, version_id=version, selection={}, created_by="x", status="done"
        )
        hit = self.hit(lead, FIRST - dt.timedelta(days=400 + len(lead.lead_no) + random.randrange(9999)))
        self.session.add(batch)
        self.session.flush()
        self.session.add(
            Outreach(
                batch_id=batch.id, hit_id=hit.id, lead_id=lead.id, version_id=version, channel=channel,
                id_hash=lead.id_hash, phone_index=lead.phone_index, status=status, reserved_at=moment,
                sent_at=moment,
            )
        )  # fmt: skip
        self.session.flush()

    def simulate(
        self, *words: Any, code: str = "J", answers: str = "none"
    ) -> tuple[dict[str, Any], list[list[str]]]:
        self.session.commit()
        file = self.folder / "steps.csv"
        period = ("--from", FIRST, "--to", self.last, "--answers", answers, "--rows", file, *words)
        result = self.cli("journeys", "simulate", code, *period, "--json")
        assert result.exit_code == 0, result.stderr
        with file.open(encoding="utf-8", newline="") as found:
            header, *rows = csv.reader(found)
        assert header == ["lead_no", "step", "due_at", "done_at", "outcome", "why"]
        return json.loads(result.stdout), rows


def test_recorded_customers_go_the_way_that_a_plain_loop_finds(records: Records, settings: Settings) -> None:
    records.apply(
        outreach=RULES, journeys=[{**RECALL, "trigger": {"on": "hit"}, "reentry": {"after_days": 9}}]
    )
    dice = random.Random(5)
    people = [_record(records, dice, number) for number in range(60)]
    contacts: dict[int, list[tuple[dt.datetime, str]]] = {}
    for person, lead in people:
        for _each in range(dice.choice([0, 0, 1, 3])):
            moment, channel = at(on(dice.randint(-10, 35)), dice.randint(9, 18)), dice.choice(["sms", "call"])
            status = dice.choice(["sent", "delivered", "failed"])
            records.contact(lead, moment, channel, status)
            if status != "failed":
                contacts.setdefault(person.phone, []).append((moment, channel))
    header = ["lead_no", "aum", "as_of"]
    told = [
        [lead.lead_no, value, day.isoformat()]
        for person, lead in people
        if person.rich < dt.date.max
        for value, day in ((5, on(-300)), (250000, person.rich))
    ]
    records.session.commit()
    records.load("facts", "import", "--backfill", rows=[header, *told])
    bought = [
        [f"O-{number}-{place}", lead.lead_no, "LOAN-C", day.isoformat(), "5"]
        for number, (person, lead) in enumerate(people)
        for place, day in enumerate(person.outcomes)
    ]
    records.load("outcomes", "import", rows=[["outcome_id", "lead_no", "product", "date", "amount"], *bought])
    numbers, rows = records.simulate(code="J-RECALL")
    rules = OutreachSettings.model_validate(
        {
            "open_from": "09:30", "open_to": "19:00", "sms_cap": 1, "sms_days": 4, "call_cap": None,
            "total_cap": 3, "total_days": 9, "excluded_grades": ["D"],
        }
    )  # fmt: skip
    bank = Bank(ZONE, rules, Calendar(), [each for each, _lead in people], contacts, lambda *_: False, LAST)
    definition = JourneyDef.model_validate({**RECALL, "reentry": {"after_days": 9}})
    wanted = Brute(definition, bank).run()
    owners = [lead.lead_no for person, lead in people for _enter in person.enters]
    caps = ("cap_channel", "cap_total")
    assert [[*row[:5], "cap" if row[5] in caps else row[5]] for row in rows] == [
        [
            owners[row[0]],
            row[1],
            _local(row[2]),
            _local(row[4]) if row[4] else "",
            row[3],
            "cap" if row[5] in caps else row[5],
        ]
        for row in wanted
    ]
    assert {row[5] for row in rows} > {
        "goal",
        "opted_out",
        "deleted",
        "holdout",
        "grade",
        "case 1",
        "else",
        "phone",
    }
    assert numbers["entered"] == len({row[0] for row in wanted})
    assert (numbers["still_in"], numbers["goal"]) == (
        sum(row[3] == "waiting" for row in wanted),
        sum(row[5] == "goal" for row in wanted),
    )
    made = [row for row in wanted if row[3] == "done" and row[1] in ("sms1", "call1")]
    assert numbers["contacts"] == {
        name: sum(row[1] == f"{name}1" for row in made) for name in ("sms", "call")
    }
    assert sum(sum(each.values()) for each in numbers["by_day"].values()) == len(made)
    assert numbers["outside_hours"] == 0
    assert {day for day in numbers["by_day"] if "2025-10-01" <= day <= "2025-10-08"} == set()
    assert numbers["steps"]["sms1"] == {
        "entered": sum(row[1] == "sms1" for row in wanted),
        **{
            each: sum(row[1] == "sms1" and row[3] == each for row in wanted)
            for each in ("done", "held", "skipped")
        },
    }


def _local(moment: dt.datetime) -> str:
    return moment.astimezone(ZONE).isoformat()


def _record(records: Records, dice: random.Random, number: int) -> tuple[Person, Lead]:
    """Store a random lead with its hits. Return what the plain loop needs of it."""
    days = sorted({on(dice.randint(-1, 30)) for _each in range(dice.choice([1, 1, 2, 4]))})
    phone = number - 1 if number % 7 == 6 else number
    deleted = at(on(dice.randint(0, 20)), 12) if dice.random() < 0.1 else None
    grade = dice.choice("ABBD") if dice.random() < 0.5 else "B"
    holdout, masked = (
        dice.random() < 0.1,
        "" if dice.random() < 0.1 and phone == number else f"138****{phone:04d}",
    )
    lead = records.lead(number, phone, deleted_at=deleted, phone_masked=masked)
    for day in days:
        records.hit(lead, day, holdout=holdout, grade=grade)
    since = before = NEVER
    if dice.random() < 0.3:
        since, until = at(on(dice.randint(-5, 20)), 15), on(dice.randint(20, 25))
        before = dice.choice([at(until + dt.timedelta(days=1)), NEVER, at(on(28), 11)])
        named = dice.choice(["id_hash", "phone_index"]) if phone == number and number % 7 != 5 else "id_hash"
        entry: dict[str, Any] = {named: getattr(lead, named)}
        if before == at(on(28), 11):
            entry |= {"removed_at": before, "removed_by": "x", "removal_reason": "x"}
        elif before < NEVER:
            entry |= {"expires_on": until}
        records.session.add(Suppression(shown="x", reason="x", created_by="x", created_at=since, **entry))
    # An outcome of the date of a hit would convert the hit without being the goal.
    outcomes = {on(dice.randint(-9, 35)) for _each in range(dice.choice([0, 0, 1, 2]))} - set(days)
    person = Person(
        phone=phone,
        enters=[
            at(day + dt.timedelta(days=1), 6) for day in days if FIRST <= day + dt.timedelta(days=1) <= LAST
        ],
        deleted=deleted or NEVER,
        opted_out=(since, before),
        holdout=holdout,
        outcomes=sorted(outcomes) if deleted is None else [],
        barred="phone" if masked == "" else "grade" if grade == "D" else "",
        rich=on(dice.randint(-20, 30)) if dice.random() < 0.5 and deleted is None else dt.date.max,
    )
    return person, lead


def entered(rows: list[list[str]]) -> list[tuple[str, str]]:
    """Return who entered, and when by local time."""
    return sorted((row[0], row[2][:16]) for row in rows if row[1] == "first")


@pytest.mark.parametrize(
    ("trigger", "wanted"),
    [
        # Rich from the 5th day on: known by the T+1 run of the next morning.
        ({"on": "fact", "fact": "aum", "op": ">=", "value": 100000}, [("L0001", on(6)), ("L0003", on(4))]),
        ({"on": "segment", "segment": "SG-VIP"}, [("L0001", on(6)), ("L0003", on(4))]),
        # What is due on a date is told of some days before.
        ({"on": "date", "fact": "due", "days": -7}, [("L0001", on(3)), ("L0002", on(10))]),
        ({"on": "date", "fact": "due", "days": 2}, [("L0001", on(12)), ("L0002", on(19))]),
        ({"on": "outcome", "outcome": "any"}, [("L0001", on(2)), ("L0002", on(5))]),
        ({"on": "outcome", "products": ["LOAN-C"]}, [("L0001", on(2))]),
        ({"on": "hit", "rules": ["R-1"], "grades": ["A"]}, [("L0002", on(1))]),
    ],
)
def test_each_trigger_lets_customers_enter_at_its_moment(
    records: Records, trigger: dict[str, Any], wanted: list[tuple[str, dt.date]]
) -> None:
    first = wait("first", hours=1)
    records.apply(
        products=[{"code": "CAR", "name": "车贷", "line": "loan"}], journeys=[journey(first, trigger=trigger)]
    )
    leads = [records.lead(number) for number in range(1, 5)]
    records.hit(leads[0], on(3), grade="B")
    records.hit(leads[1], on(0), grade="A")
    records.hit(leads[1], LAST, grade="A")
    records.session.commit()
    facts = [
        ["lead_no", "aum", "due", "as_of"],
        ["L0001", 1, on(10), on(-50)],
        ["L0001", 200000, "", on(5)],
        ["L0002", 200000, on(17), on(-50)],
        ["L0003", 200000, "", on(3)],
        ["L0003", 7, "", on(9)],
        ["L0004", "", LAST + dt.timedelta(days=8), on(-50)],
    ]
    records.load("facts", "import", "--backfill", rows=facts)
    outcomes = [
        ["outcome_id", "lead_no", "product", "date", "amount"],
        ["1", "L0001", "LOAN-C", on(1), 5],
        ["2", "L0002", "CAR", on(4), 5],
        ["3", "L0003", "LOAN-C", LAST, 5],
    ]
    records.load("outcomes", "import", rows=outcomes)
    numbers, rows = records.simulate()
    assert entered(rows) == [(name, f"{day} 06:00".replace(" ", "T")) for name, day in wanted]
    assert numbers["entered"] == len(wanted)


def test_answers_are_assumed_as_asked_and_named_so(records: Records) -> None:
    steps = (sms("first", "listen"), wait("listen", "end", days=2, until="answered", timeout="late"))
    records.apply(journeys=[journey(*steps, wait("late", hours=1))])
    leads = [records.lead(number) for number in range(40)]
    for lead in leads:
        records.hit(lead, on(10))
    for number in range(8):
        records.contact(leads[number], at(on(-50)), "sms", "answered" if number < 6 else "delivered")
        records.contact(leads[number], at(on(-50)), "call", "no_answer")
    counts = {}
    for answers in ("none", "all", "past"):
        _numbers, rows = records.simulate(answers=answers)
        counts[answers] = [row[5] for row in rows if row[1] == "listen"].count("answered (assumed)")
        again = records.simulate(answers=answers)[1]
        assert again == rows
    assert (counts["none"], counts["all"]) == (0, 40)
    assert 20 <= counts["past"] <= 38


def test_without_rules_there_are_hours_but_no_caps_and_no_control_group(records: Records) -> None:
    steps = [sms(f"s{number}", f"s{number + 1}" if number < 5 else "end") for number in range(6)]
    records.apply(journeys=[journey(*steps)])
    lead, other = records.lead(1), records.lead(2)
    # The 1st of October is a public holiday, as are the days up to the 8th.
    records.hit(lead, dt.date(2025, 9, 29))
    records.hit(other, dt.date(2025, 9, 30))
    numbers, rows = records.simulate()
    assert numbers["contacts"] == {"sms": 12}
    assert numbers["by_day"] == {"2025-09-30": {"sms": 6}, "2025-10-09": {"sms": 6}}
    assert {row[3] for row in rows} == {"2025-09-30T09:00:00+08:00", "2025-10-09T09:00:00+08:00"}
    records.session.add(ControlMember(year=2025, lead_id=lead.id))
    numbers, rows = records.simulate()
    assert (numbers["entered"], numbers["left"], numbers["contacts"]) == (2, 1, {"sms": 6})
    assert [row[4:] for row in rows if row[0] == "L0001"] == [["skipped", "holdout"]]


def test_a_hit_that_an_outcome_converted_is_not_contacted(records: Records) -> None:
    records.apply(journeys=[journey(sms("s", "w", held="end"), wait("w", "t", days=1), sms("t"))])
    lead = records.lead(1)
    records.hit(lead, on(10))
    records.session.commit()
    rows = [["outcome_id", "lead_no", "product", "date", "amount"], ["1", "L0001", "LOAN-C", on(12), 5]]
    records.load("outcomes", "import", rows=rows)
    _numbers, found = records.simulate()
    # The 4th of October and the days after it are holidays.
    assert [row[1:2] + row[4:] for row in found] == [["s", "held", "converted"], ["end", "done", ""]]


def test_what_cannot_be_simulated_is_refused(
    records: Records, cli: Callable[..., Any], tmp_path: Path
) -> None:
    records.apply(journeys=[RECALL])
    period = ("--from", FIRST, "--to", LAST, "--answers", "none")
    unknown = cli("journeys", "simulate", "J-GONE", *period)
    assert (unknown.exit_code, "There is no journey" in unknown.stderr) == (1, True)
    unwritable = cli("journeys", "simulate", "J-RECALL", *period, "--rows", tmp_path / "no" / "rows.csv")
    assert (unwritable.exit_code, "can't be written" in unwritable.stderr) == (1, True)
    later = cli(
        "journeys", "simulate", "J-RECALL", "--from", FIRST, "--to", "2199-01-01", "--answers", "none"
    )
    assert (later.exit_code, "in the future" in later.stderr) == (1, True)
    assert cli("journeys", "simulate", "J-RECALL", *period[:-1], "some").exit_code == 2
