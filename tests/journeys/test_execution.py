"""Journeys under way do what their simulation showed, row by row, and nobody is contacted twice."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.extensions import db
from app.journeys import execution
from app.leads.phone import PhoneVault
from app.lib import clock
from app.models import (
    Hit,
    Journey,
    JourneyEnrolment,
    JourneyStep,
    Lead,
    Outcome,
    Outreach,
    Product,
    SandboxMessage,
    Suppression,
)
from app.outreach import results, sandbox, sending
from tests.clock import ZONE
from tests.journeys.support import AROUND, RECALL, journey
from tests.journeys.test_past import FIRST, LAST, RULES, Records, at, on

JOURNEY = {**RECALL, "trigger": {"on": "hit"}, "reentry": {"after_days": 9}}
BOUGHT = {"on": "outcome", "outcome": "any"}
Event = tuple[dt.datetime, Callable[[Session], Any]]


class Bank(Records):
    """A bank whose clock goes from one moment at which something happens to the next."""

    def __init__(
        self, app: Flask, cli: Callable[..., Any], session: Session, folder: Path, move: Callable[..., None]
    ) -> None:
        super().__init__(cli, session, folder)
        self.app, self.move, self.events = app, move, list[Event]()
        self.vault = PhoneVault(app.config["SETTINGS"].pii_key)

    def customer(self, number: int, phone: int | None = None, **values: Any) -> Lead:
        text = f"138{number if phone is None else phone:08d}"
        return self.lead(
            number,
            phone,
            phone_cipher=self.vault.encrypt(text),
            phone_index=self.vault.index(text),
            phone_masked=f"138****{text[-4:]}",
            **values,
        )

    def live(self, until: dt.datetime) -> None:
        """Let time pass up to a moment, doing what is due at each."""
        self.session.commit()
        self.events.sort(key=lambda each: each[0])
        moment = at(FIRST)
        while moment <= until:
            while self.events and self.events[0][0] <= moment:
                self.events.pop(0)[1](self.session)
                self.session.commit()
            self.move(moment)
            with self.app.app_context():
                execution.work()
                sending.work()
                results.record_sandbox_outcomes(clock.now())
                execution.work()
                coming = [
                    db.session.scalar(select(func.min(JourneyStep.next_at))),
                    db.session.scalar(select(func.min(Hit.created_at)).where(Hit.created_at > moment)),
                ]
            coming += [each for each, _what in self.events[:1]]
            later = [each for each in coming if each is not None and each > moment]
            moment = min(later, default=until + dt.timedelta(days=1))

    def steps(self) -> list[list[str]]:
        """Return the steps that were taken, as the file of a simulation has them."""
        query = (
            select(Lead.lead_no, JourneyStep)
            .join(JourneyEnrolment, JourneyEnrolment.id == JourneyStep.enrolment_id)
            .join(Lead, Lead.id == JourneyEnrolment.lead_id)
            .order_by(Lead.lead_no, JourneyEnrolment.entered_at, JourneyStep.number)
        )
        self.session.expire_all()
        found = []
        for lead_no, row in self.session.execute(query).tuples():
            over = row.status != "waiting"
            done = row.done_at.astimezone(ZONE).isoformat() if over and row.done_at else ""
            due = row.due_at.astimezone(ZONE).isoformat()
            found.append([lead_no, row.step, due, done, row.status, row.why if over else ""])
        return found


@pytest.fixture
def bank(
    app: Flask,
    cli: Callable[..., Any],
    session: Session,
    tmp_path: Path,
    set_clock: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> Bank:
    monkeypatch.setattr(sandbox, "OUTCOMES", {each: [(100, [[3, "delivered"]])] for each in ("sms", "call")})
    set_clock(at(FIRST))
    made = Bank(app, cli, session, tmp_path, set_clock)
    made.apply(**AROUND)
    return made


def test_what_happens_is_what_the_simulation_shows(bank: Bank) -> None:
    bank.apply(outreach=RULES, journeys=[JOURNEY])
    dice = random.Random(3)
    product = bank.session.scalars(select(Product).where(Product.code == "LOAN-C")).one().id
    told: list[list[Any]] = [["lead_no", "aum", "as_of"]]
    days: list[dt.date] = []
    for number in range(40):
        lead = bank.customer(number, number - 1 if number % 6 == 5 else number)
        if number % 6 != 5:  # who shares a phone enters at the same moments
            days = sorted({on(dice.randint(0, 36)) for _each in range(dice.choice([1, 2, 3]))})
        for day in days:
            bank.hit(lead, day, created_at=at(day + dt.timedelta(days=1), 6), grade=dice.choice("ABBBD"))
        if dice.random() < 0.4:
            told.append([lead.lead_no, 250000, on(dice.randint(-9, 20)).isoformat()])
        _later(bank, dice, lead.id, product, days[0] + dt.timedelta(days=3))
    bank.session.commit()
    bank.load("facts", "import", "--backfill", rows=told)
    bank.live(at(LAST + dt.timedelta(days=1)) - dt.timedelta(seconds=1))
    happened = bank.steps()
    bank.move(None)
    _numbers, shown = bank.simulate(code="J-RECALL")
    assert happened == shown
    assert len(shown) > 120
    assert {row[4] for row in shown} == {"waiting", "done", "held", "skipped"}
    assert {row[5] for row in shown} >= {"timeout", "case 1", "else", "goal", "opted_out", "deleted", "grade"}
    contacts = [row for row in shown if row[1] in ("sms1", "call1") and row[4] == "done"]
    assert bank.session.scalar(select(func.count()).select_from(SandboxMessage)) == len(contacts)


def _later(bank: Bank, dice: random.Random, lead: int, product: int, buys: dt.date) -> None:
    """Let things happen to a customer while the journey goes on."""
    day, hour = on(dice.randint(1, 25)), dice.randint(7, 21)
    what = dice.choice(["nothing", "nothing", "nothing", "opted out", "deleted", "bought", "bought"])
    if what == "bought":
        bought = Outcome(outcome_id=f"O-{lead}", lead_id=lead, product_id=product, on_date=buys, amount=5)
        bank.events.append((at(buys), lambda session: session.add(bought)))
    elif what == "deleted":
        bank.events.append(
            (at(day, hour), lambda session: setattr(session.get_one(Lead, lead), "deleted_at", at(day, hour)))
        )
    elif what == "opted out":

        def opt_out(session: Session) -> None:
            person = session.get_one(Lead, lead)
            entry = {"shown": "x", "reason": "x", "created_by": "x", "created_at": at(day, hour)}
            session.add(Suppression(id_hash=person.id_hash, **entry))

        bank.events.append((at(day, hour), opt_out))


def test_an_answer_ends_the_wait_for_it(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [(100, [[3, "delivered"], [7200, "interested"]])]
    monkeypatch.setattr(sandbox, "OUTCOMES", {"sms": said, "call": said})
    bank.apply(journeys=[JOURNEY])
    bank.hit(bank.customer(1), on(0), created_at=at(on(1), 6))
    bank.events += [(at(on(1), hour), lambda _session: None) for hour in range(9, 14)]
    bank.live(at(on(2)))
    [first, wait, end] = bank.steps()
    assert (first[1], first[3][:16]) == ("sms1", f"{on(1)}T09:00")
    assert (wait[1], wait[4:], end[1]) == ("wait1", ["done", "answered"], "end")
    assert wait[3][:13] == f"{on(1)}T11"
    assert bank.session.scalar(select(JourneyEnrolment.status)) == "ended"


def test_a_worker_that_dies_has_done_nothing_and_nobody_is_contacted_twice(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.apply(journeys=[JOURNEY])
    for number in range(5):
        bank.hit(bank.customer(number), on(0), created_at=at(on(1), 6))
    bank.session.commit()
    bank.move(at(on(1), 10))
    dies = [True]
    queue = execution.for_journeys.queue

    def queue_and_die(*given: Any) -> Any:
        made = queue(*given)
        if dies.pop():
            dies.append(False)
            raise MemoryError
        dies.append(False)
        return made

    monkeypatch.setattr(execution.for_journeys, "queue", queue_and_die)
    with bank.app.app_context():
        with pytest.raises(MemoryError):
            execution.work()
        db.session.rollback()
        assert db.session.scalar(select(func.count()).select_from(Outreach)) == 0
        execution.work()
        execution.work()
        sending.work()
        assert db.session.scalar(select(func.count()).select_from(Outreach)) == 5
    assert bank.session.scalar(select(func.count()).select_from(SandboxMessage)) == 5


def test_steps_that_can_be_done_are_done_and_journeys_with_others_wait_for_them(bank: Bank) -> None:
    tag = {"id": "tag", "do": "tag", "add": ["vip"], "then": "end"}
    task = {"id": "task", "do": "task", "title": "回访", "then": "end"}
    bank.apply(journeys=[journey(tag), journey(task, code="J-2"), journey(tag, code="J-3", trigger=BOUGHT)])
    bank.hit(bank.customer(1), on(0), created_at=at(on(1), 6))
    bank.live(at(on(2)))
    assert [row[1] for row in bank.steps()] == ["tag", "end"]
    lead = bank.session.scalars(select(Lead).where(Lead.lead_no == "L0001")).one()
    assert [each.code for each in lead.tags] == ["vip"]


def test_a_paused_journey_stands_still(bank: Bank) -> None:
    bank.apply(journeys=[JOURNEY])
    bank.hit(bank.customer(1), on(0), created_at=at(on(1), 6))
    paused = update(Journey).values(status="paused")
    bank.events.append((at(on(1), 8), lambda session: session.execute(paused)))
    bank.events.append((at(on(1), 12), lambda _session: None))
    bank.live(at(on(1), 12))
    assert [row[4] for row in bank.steps()] == ["waiting"]
    assert bank.session.scalar(select(func.count()).select_from(Outreach)) == 0
