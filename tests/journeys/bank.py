"""A bank under a moved clock, whose journeys are executed, and random people to whom things happen."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import func, select, true
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
    OutreachEvent,
    Product,
    SandboxMessage,
    Suppression,
)
from app.outreach import results, sending
from config import Settings
from tests.clock import ZONE
from tests.journeys.test_past import FIRST, Records, at, on

Event = tuple[dt.datetime, Callable[[Session], Any]]


class Bank(Records):
    """A bank whose clock goes from one moment at which something happens to the next."""

    def __init__(
        self, app: Flask, cli: Callable[..., Any], session: Session, folder: Path, move: Callable[..., None]
    ) -> None:
        super().__init__(cli, session, folder)
        self.app, self.move, self.events = app, move, list[Event]()
        config: Settings = app.config["SETTINGS"]
        #: when something happens next
        self.next = at(FIRST)
        self.vault, self.finds_at = PhoneVault(config.pii_key), config.t1_time
        #: whether each contact is answered at its own moment, as another system tells
        self.answers = False

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

    def bought(self, lead: Lead, day: dt.date, hour: int = 12) -> None:
        """Let a customer buy something, which is told at an hour of the day."""
        product = self.session.scalars(select(Product).where(Product.code == "LOAN-C")).one()
        values = {"lead_id": lead.id, "product_id": product.id, "on_date": day, "amount": 10}
        key = f"O-{lead.id}-{day}"
        self.events.append((at(day, hour), lambda session: session.add(Outcome(outcome_id=key, **values))))

    def live(self, until: dt.datetime | None = None) -> None:
        """Let time pass up to a moment, by default to the last day's end, doing what is due at each."""
        until = until or at(self.last + DAY) - dt.timedelta(seconds=1)
        self.session.commit()
        self.events.sort(key=lambda each: each[0])
        while (moment := self.next) <= until:
            while self.events and self.events[0][0] <= moment:
                self.events.pop(0)[1](self.session)
                self.session.commit()
            self.move(moment)
            self.work()
            self.next = min(each for each in self._coming(moment) if each > moment)

    def work(self) -> None:
        """Do what is due now."""
        with self.app.app_context():
            execution.work()
            sent = True
            while sent:
                sent = sending.work() > 0
                results.record_sandbox_outcomes(clock.now())
                if self.answers:
                    self._answer()
                execution.work()

    def _answer(self) -> None:
        """Tell of an answer to each contact that was sent, at the moment of the contact."""
        query = (
            select(Outreach, JourneyStep.done_at)
            .join(JourneyStep, JourneyStep.outreach_id == Outreach.id)
            .where(Outreach.sent_at.is_not(None), Outreach.id.not_in(select(OutreachEvent.outreach_id)))
        )
        for row, moment in db.session.execute(query).tuples().all():
            assert moment is not None
            results.record(row, "answered", moment, "", "crm")
        db.session.commit()

    def _coming(self, moment: dt.datetime) -> list[dt.datetime]:
        """Return the moments at which something may happen next."""
        today = moment.astimezone(ZONE).date()
        daily = [
            dt.datetime.combine(day, self.finds_at, ZONE).astimezone(dt.UTC) for day in (today, today + DAY)
        ]
        with self.app.app_context():
            stored = [
                db.session.scalar(select(func.min(JourneyStep.next_at))),
                db.session.scalar(select(func.min(Hit.created_at)).where(Hit.created_at > moment)),
            ]
        return [*daily, *(each for each in stored if each), *(each for each, _what in self.events[:1])]

    def steps(self, code: str | None = None) -> list[list[str]]:
        """Return the steps of a journey, or all, that were taken, as the file of a simulation has them."""
        query = (
            select(Lead.lead_no, JourneyStep)
            .join(JourneyEnrolment, JourneyEnrolment.id == JourneyStep.enrolment_id)
            .join(Lead, Lead.id == JourneyEnrolment.lead_id)
            .join(Journey, Journey.id == JourneyEnrolment.journey_id)
            .where(Journey.code == code if code else true())
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

    def messages(self) -> int:
        """Return how many contacts the gateway accepted."""
        return self.session.scalar(select(func.count()).select_from(SandboxMessage)) or 0


DAY = dt.timedelta(days=1)


def populate(bank: Bank, dice: random.Random, count: int) -> None:
    """Add people of whom every sixth shares a phone, with hits, facts and outcomes over the period."""
    told: list[list[Any]] = [["lead_no", "aum", "due", "as_of"]]
    days: list[dt.date] = []
    last = (bank.last - FIRST).days - 1
    for number in range(count):
        lead = bank.customer(number, number - 1 if number % 6 == 5 else number)
        if number % 6 != 5:  # who shares a phone enters at the same moments
            days = sorted({on(dice.randint(0, last)) for _each in range(dice.choice([1, 2, 3]))})
        for day in days:
            bank.hit(lead, day, created_at=at(day + DAY, 6), grade=dice.choice("ABBBD"))
        told.append([lead.lead_no, "", on(dice.randint(-5, last + 9)).isoformat(), on(-20).isoformat()])
        for day in sorted({on(dice.randint(-9, last)) for _each in range(dice.choice([0, 1, 2]))}):
            told.append([lead.lead_no, dice.choice([5, 250000]), "", day.isoformat()])
        happen(bank, dice, lead.id, last, days[0] + dt.timedelta(days=3))
    bank.session.commit()
    bank.move(None)  # values dated later than today are refused
    bank.load("facts", "import", "--backfill", rows=told)


def happen(bank: Bank, dice: random.Random, lead: int, last: int, buys: dt.date) -> None:
    """Let something happen to a customer, or nothing, while the journey goes on."""
    day, hour = on(dice.randint(1, last)), dice.randint(7, 21)
    what = dice.choice(["nothing", "nothing", "nothing", "opted out", "deleted", "bought", "bought"])
    if what == "bought":
        bank.bought(bank.session.get_one(Lead, lead), buys, 0)
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


def compare(bank: Bank, code: str) -> list[list[str]]:
    """Compare what has happened with the simulation, row by row. Return the rows."""
    happened = bank.steps(code)
    bank.move(None)
    _numbers, shown = bank.simulate(code=code, answers="all" if bank.answers else "none")
    shown = [[*row[:5], row[5].removesuffix(" (assumed)")] for row in shown]
    assert happened == shown
    return shown
