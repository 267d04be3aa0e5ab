"""Journeys under way do what their simulation showed, row by row."""

from __future__ import annotations

import random

from tests.journeys.bank import Bank, compare, populate
from tests.journeys.support import RECALL, RICH, journey, sms, wait
from tests.journeys.test_past import RULES, on

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
    bank.last = on(12)
    populate(bank, random.Random(4), 40)
    bank.live()
    shown = [compare(bank, each["code"]) for each in journeys]
    assert min(len(rows) for rows in shown) >= 5
    contacts = [row for rows in shown for row in rows if row[1] in ("sms1", "sms2") and row[4] == "done"]
    assert bank.messages() == len(contacts) > 30
