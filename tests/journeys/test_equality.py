"""Journeys under way do what their simulation showed, row by row."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import select, update

from app.extensions import db
from app.lib import clock
from app.models import ContactStatement, Customer, Staff
from app.outreach import statement
from tests.journeys.bank import Bank, compare, populate
from tests.journeys.processes import Killed
from tests.journeys.support import RECALL, RICH, journey, sms, wait
from tests.journeys.test_past import RULES, at, on
from tests.journeys.test_simulation import sound
from tests.journeys.worlds import without_unreachable

#: one of each, with and without hits, and forwards and backwards in time
TRIGGERS = [
    {"on": "hit", "rules": ["R-1"]},
    {"on": "segment", "segment": "SG-VIP"},
    {"on": "fact", "fact": "aum", "op": "<", "value": 1000},
    {"on": "date", "fact": "due", "days": -6},
    {"on": "date", "fact": "due", "days": 3},
    {"on": "outcome", "products": ["LOAN-C"]},
]


def test_what_happens_is_what_the_simulation_shows(bank: Bank) -> None:
    again = {"trigger": {"on": "hit"}, "reentry": {"after_days": 9}}
    bank.apply(outreach=RULES, journeys=[{**RECALL, **again}])
    populate(bank, random.Random(3), 40)
    bank.live()
    shown = compare(bank, "J-RECALL")
    assert len(shown) > 120
    assert {row[4] for row in shown} == {"waiting", "done", "held", "skipped"}
    assert {row[5] for row in shown} >= {"timeout", "case 1", "else", "goal", "opted_out", "deleted", "grade"}
    contacts = [row for row in shown if row[1] in ("sms1", "call1") and row[4] == "done"]
    assert bank.messages() == len(contacts)


def test_every_trigger_lets_customers_enter_as_the_simulation_shows(bank: Bank) -> None:
    steps = (
        sms("sms1", "wait1"),
        wait("wait1", "ask", hours=30, until="outcome", timeout="ask"),
        {"id": "ask", "do": "branch", "cases": [{"when": RICH, "then": "end"}], "else": "sms2"},
        sms("sms2"),
    )
    journeys = [
        journey(*steps, code=f"J-{number}", trigger=trigger, reentry={"after_days": 2})
        for number, trigger in enumerate(TRIGGERS)
    ]
    bank.apply(outreach={**RULES, "caps": []}, journeys=journeys)
    bank.last = on(10)
    populate(bank, random.Random(4), 25)
    bank.live()
    shown = [compare(bank, each["code"]) for each in journeys]
    assert min(len(rows) for rows in shown) >= 3
    contacts = [row for rows in shown for row in rows if row[1] in ("sms1", "sms2") and row[4] == "done"]
    assert bank.messages() == len(contacts) > 15


def test_while_nobody_has_set_rules_journeys_have_no_caps(bank: Bank) -> None:
    steps = (sms("a", "wait"), wait("wait", "b", hours=1), sms("b", "c"), sms("c"))
    bank.apply(journeys=[journey(*steps)])
    bank.last = on(2)
    bank.hit(bank.customer(1), on(0), created_at=at(on(1), 6))
    bank.live()
    bank.move(at(on(2), 3))
    with bank.app.app_context():
        statement.make(clock.now())
        found = db.session.scalars(select(ContactStatement).where(ContactStatement.day == on(1))).one()
        assert (found.contacts, found.over_cap) == (3, 0)
    shown = compare(bank, "J")
    assert [row[4] for row in shown] == ["done"] * 5


def test_those_who_share_a_phone_take_steps_of_the_same_moment_lead_by_lead(bank: Bank) -> None:
    caps = [{"channel": "sms", "contacts": 2, "days": 7}]
    steps = (sms("a", "b", hold_hours=1), sms("b", hold_hours=1))
    bank.apply(outreach={**RULES, "caps": caps}, journeys=[journey(*steps)])
    bank.last = on(2)
    for number in (1, 2):
        bank.hit(bank.customer(number, 9), on(0), created_at=at(on(1), 6))
    bank.live()
    shown = compare(bank, "J")
    assert [(row[1], row[4]) for row in shown if row[1] != "end"] == [
        *(("a", "done"), ("b", "done")),
        *(("a", "held"), ("b", "held")),
    ]


CAPS: list[list[dict[str, Any]]] = [
    [],
    [{"channel": "sms", "contacts": 1, "days": 3}, {"channel": "all", "contacts": 2, "days": 5}],
    [{"channel": "call", "contacts": 2, "days": 7}],
]


def test_contacts_beyond_the_pacing_go_on_the_next_days_in_the_order_of_leads(bank: Bank) -> None:
    """Two SMS a day for five customers who enter at once; their second SMS want a day after the first."""
    steps = (sms("a", "wait"), wait("wait", "b", days=1), sms("b"))
    bank.apply(outreach={**RULES, "caps": []}, journeys=[journey(*steps, pacing={"sms": 2})])
    bank.last = on(4)
    for number in range(5):
        bank.hit(bank.customer(number), on(0), created_at=at(on(1), 6))
    bank.live()
    shown = compare(bank, "J")
    made = [(row[1], row[3]) for row in shown if row[1] in "ab" and row[4] == "done"]
    # The first SMS of all five were given their slots before the second ones of the first two were asked for.
    expected = ["a1 b3", "a1 b4", "a2 b4", "a2", "a3"]
    assert made == [
        (each[0], f"{on(int(each[1]))}T09:30:00+08:00") for some in expected for each in some.split()
    ]


def test_a_slot_asked_for_in_the_last_minute_of_the_day_is_on_the_next_one(bank: Bank) -> None:
    """Whole minutes are what slots are given by: a contact due at 18:59:30 has no time left."""
    steps = (wait("wait", "a", hours=(12 * 3600 + 59 * 60 + 30) / 3600), sms("a"))
    bank.apply(outreach={**RULES, "caps": []}, journeys=[journey(*steps, pacing={"sms": 2})])
    bank.last = on(2)
    bank.hit(bank.customer(1), on(0), created_at=at(on(1), 6))
    bank.live()
    [_waited, made, _end] = compare(bank, "J")
    assert made[2:4] == [f"{on(1)}T18:59:30+08:00", f"{on(2)}T09:30:00+08:00"]


def test_a_marketer_has_no_more_calls_a_day_than_the_pacing_says(bank: Bank) -> None:
    steps = (sms("a", channel="call", template="T-CALL"),)
    paced = {"call": 3, "calls_per_marketer": 1}
    bank.apply(outreach={**RULES, "caps": []}, journeys=[journey(*steps, pacing=paced)])
    bank.last = on(4)
    marketer = Staff(username="m", first_name="m", last_name="m", email="m@x.invalid", active=True)
    bank.session.add(marketer)
    bank.session.flush()
    for number in range(6):
        lead = bank.customer(number)
        bank.hit(lead, on(0), created_at=at(on(1), 6))
        if number < 2:
            bank.session.flush()
            owned = update(Customer).where(Customer.id == lead.id).values(owner_id=marketer.id)
            assert bank.session.execute(owned).rowcount == 1
    bank.live()
    shown = compare(bank, "J")
    made = [row[3][:10] for row in shown if row[1] == "a"]
    assert made == [str(on(day)) for day in (1, 2, 1, 1, 2, 2)]


def run_random(bank: Bank, seed: int, people: int, days: int, paced: bool = False) -> int:
    """Compare what happens in a random journey with its simulation. Return the number of rows."""
    dice = random.Random(seed)
    made = without_unreachable(sound(dice)).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if paced:
        used = {step["channel"] for step in made["steps"] if step["do"] == "contact"}
        paced_by = {channel: dice.randint(1, 3) for channel in sorted(used)}
        made |= {"pacing": paced_by} if used else {}
    bank.apply(
        outreach={**RULES, "caps": dice.choice(CAPS)},
        journeys=[{**made, "trigger": dice.choice(TRIGGERS)}],
    )
    bank.answers, bank.last = dice.random() < 0.5, on(days - 1)
    populate(bank, dice, people)
    bank.live()
    shown = compare(bank, "J")
    kinds = {step["id"]: step["do"] for step in made["steps"]}
    contacts = [row for row in shown if kinds[row[1]] == "contact" and row[4] == "done"]
    assert bank.messages() == len(contacts)
    return len(shown)


@pytest.mark.parametrize("seed", [11, 12])
def test_random_journeys_do_what_the_simulation_shows(bank: Bank, seed: int) -> None:
    assert run_random(bank, seed, 30, 12) > 0


@pytest.mark.parametrize("seed", [13, 14, 15])
def test_random_paced_journeys_do_what_the_simulation_shows(bank: Bank, seed: int) -> None:
    assert run_random(bank, seed, 30, 12, paced=True) > 0


@pytest.mark.long
@pytest.mark.parametrize("seed", range(130, 140))
def test_random_paced_journeys_of_a_month_do_what_the_simulation_shows(bank: Bank, seed: int) -> None:
    assert run_random(bank, seed, 300, 30, paced=True) > 0


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_random_journeys_of_a_month_do_what_the_simulation_shows(bank: Bank, seed: int) -> None:
    assert run_random(bank, seed, 500, 30) > 0


def run_killed(bank: Bank, seed: int, people: int, days: int, kills: int) -> None:
    """Let a month pass while workers are killed; nobody is contacted twice, and nobody is lost."""
    dice = random.Random(seed)
    again = {"trigger": {"on": "hit"}, "reentry": {"after_days": 5}}
    bank.apply(outreach=RULES, journeys=[{**RECALL, **again}])
    bank.last = on(days - 1)
    populate(bank, dice, people)
    with Killed(bank, dice, kills, 0.5) as workers:
        bank.live()
    assert workers.killed >= kills
    shown = compare(bank, "J-RECALL")
    contacts = [row for row in shown if row[1] in ("sms1", "call1") and row[4] == "done"]
    assert bank.messages() == len(contacts) > people / 2


def test_a_worker_killed_at_any_moment_contacts_nobody_twice_and_loses_nobody(bank: Bank) -> None:
    run_killed(bank, 5, 12, 8, 4)


@pytest.mark.long
def test_fifty_workers_killed_contact_nobody_twice_and_lose_nobody(bank: Bank) -> None:
    run_killed(bank, 6, 150, 30, 50)
