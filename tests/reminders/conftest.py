"""Fixtures for reminders, with a clock that tests set."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.console.addresses import address_of
from app.jobs import mails
from app.models import Customer, Hit, Reminder, Staff
from app.reminders import digest, run_checks
from tests.access.world import World, build

#: a morning in the local time
NOW = dt.datetime(2026, 11, 2, 1, 0, tzinfo=dt.UTC)


class Office:
    """The tests' world with shortcuts for actions and queries."""

    def __init__(self, app: Flask, session: Session) -> None:
        self.app, self.session = app, session
        self.world: World = build(session, app.config["SETTINGS"])
        self.ids = self.world.ids

    def person(self, username: str) -> Staff:
        """Return a member of staff by log-in name."""
        return self.session.scalars(select(Staff).where(Staff.username == username)).one()

    def own(self, username: str, *names: str, **columns: Any) -> None:
        """Make somebody the owner of the customers of hits of the world."""
        for name in names:
            lead = self.session.get_one(Hit, self.ids[name]).lead_id
            customer = self.session.get_one(Customer, lead, populate_existing=True)
            customer.owner_id = self.person(username).id
            self.session.flush()
            for key, value in columns.items():
                setattr(customer, key, value)
        self.session.commit()

    def address(self, reminder: Reminder) -> str:
        """Return the address that a reminder opens."""
        with self.app.app_context():
            return address_of(reminder.opens)

    def round(self, now: dt.datetime = NOW) -> int:
        """Run the ticker's step for reminders."""
        with self.app.app_context():
            return run_checks(now)

    def mail(self, now: dt.datetime = NOW) -> int:
        """Collect and send mails once. Return their number."""
        with self.app.app_context():
            digest.collect(now)
            return mails.send(now)

    def rings(self, username: str, *kinds: str) -> list[Reminder]:
        """Return somebody's unread reminders, oldest first, optionally only of some kinds."""
        self.session.rollback()
        self.session.expire_all()
        query = select(Reminder).where(
            Reminder.person_id == self.person(username).id, Reminder.read_at.is_(None)
        )
        found = self.session.scalars(query.order_by(Reminder.id))
        return [each for each in found if not kinds or each.kind in kinds]


@pytest.fixture
def office(app: Flask, session: Session) -> Office:
    return Office(app, session)
