"""The nightly statement counts contacts against the rules from the rows, seals the numbers, and rings."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.jobs import daily
from app.lib import clock as product_clock
from app.models import ChangeLog, ContactStatement, HitEvent, Outreach, Reminder, Staff, Suppression
from app.outreach import statement
from app.reminders import run_checks
from tests.conftest import Person
from tests.outreach.conftest import Bank
from tests.outreach.test_guard import DAY, OFFICE, SetClock, at

NEXT = DAY + dt.timedelta(days=1)


@pytest.fixture
def made(bank: Bank, session: Session, set_clock: SetClock) -> Callable[[dt.date], dict[str, int]]:
    """Return a function that makes the statement of a day the night after, and returns its numbers."""

    def make(day: dt.date) -> dict[str, int]:
        set_clock(at(day + dt.timedelta(days=1), "00:05"))
        with bank.app.app_context():
            daily.contact_statement(0)
        session.rollback()
        row = session.scalars(select(ContactStatement).where(ContactStatement.day == day)).one()
        return {name: getattr(row, name) for name in WRITTEN if getattr(row, name)}

    session.execute(text("DELETE FROM contact_statement"))
    session.execute(text("DELETE FROM outreach"))
    session.commit()
    return make


WRITTEN = ("contacts", "outside_hours", "over_cap", "opted_out", "overrides", "reported")


def test_a_day_by_the_rules_has_three_zeros(
    bank: Bank,
    login: Callable[..., Person],
    session: Session,
    set_clock: SetClock,
    made: Callable[[dt.date], dict[str, int]],
) -> None:
    """What changed after the contact is not held against it: hours, do-not-disturb list, a report."""
    set_clock(at(DAY - dt.timedelta(days=3), "12:00"))
    login("Manager", username="chen")
    bank.rules(**OFFICE, call_cap=1)
    hits = bank.people(3)
    called, busy = bank.make(hits[:2], "chen", "call"), bank.make(hits[2:], "chen", "call")
    set_clock(at(DAY, "19:59"))
    send(session, called)
    bank.rules(open_from="09:00", open_to="18:00", call_cap=1)
    late = {"shown": "x", "reason": "x", "created_by": "x"}
    session.add(Suppression(id_hash=bank.lead_of(hits[0]).id_hash, **late))
    session.commit()
    set_clock(at(DAY, "21:00"))
    step = HitEvent(
        hit_id=hits[0], kind="allow_call", from_status="waiting", to_status="waiting", person="chen"
    )
    session.add(step)
    session.execute(
        text("UPDATE outreach SET status = 'answered', sent_at = :at WHERE batch_id = :batch"),
        {"at": at(DAY, "20:50"), "batch": busy},
    )
    session.commit()
    assert made(DAY) == {"contacts": 2, "overrides": 1, "reported": 1}
    entry = select(ChangeLog).where(
        ChangeLog.object == "contact_statement", ChangeLog.changes["day"][1].as_string() == str(DAY)
    )
    [noted] = session.scalars(entry).all()
    assert {name: noted.changes[name][1] for name in WRITTEN} == {
        **dict.fromkeys(WRITTEN, 0),
        "contacts": 2,
        "overrides": 1,
        "reported": 1,
    }
    assert made(DAY) == {"contacts": 2, "overrides": 1, "reported": 1}
    session.rollback()
    assert len(session.scalars(entry).all()) == 1, "once a day"
    with bank.app.app_context():
        run_checks(product_clock.now())
    assert session.scalars(select(Reminder).where(Reminder.source.startswith("statement"))).all() == []


def test_what_passed_while_the_guard_was_away_is_counted_and_rings(
    bank: Bank,
    login: Callable[..., Person],
    session: Session,
    set_clock: SetClock,
    made: Callable[[dt.date], dict[str, int]],
) -> None:
    set_clock(at(DAY - dt.timedelta(days=3), "12:00"))
    for role, name in (("Manager", "chen"), ("Auditor", "wu"), ("Marketer", "anna")):
        login(role, username=name)
    bank.rules(**OFFICE, sms_cap=1)
    night, twice, silent, fine = bank.people(4)
    first, again = bank.make([night, twice, silent, fine], "chen"), bank.make([twice], "chen")
    session.add(Suppression(id_hash=bank.lead_of(silent).id_hash, shown="x", reason="x", created_by="x"))
    session.commit()
    session.execute(text("ALTER TABLE outreach DISABLE TRIGGER contact_guard"))
    reserve = text(
        "UPDATE outreach SET status = 'sent', reserved_at = :at WHERE batch_id = :batch AND hit_id = :hit"
    )
    for batch, hit, hour in (
        *((first, night, "08:30"), (first, twice, "10:00"), (first, silent, "10:00")),
        *((first, fine, "10:00"), (again, twice, "11:00")),
    ):
        session.execute(reserve, {"at": at(DAY, hour), "batch": batch, "hit": hit})
    session.execute(text("ALTER TABLE outreach ENABLE TRIGGER contact_guard"))
    session.commit()
    assert made(DAY) == {"contacts": 5, "outside_hours": 1, "over_cap": 1, "opted_out": 1}
    with bank.app.app_context():
        run_checks(at(NEXT, "09:00"))
    rung = session.execute(
        select(Staff.username, Reminder.values)
        .join(Staff, Staff.id == Reminder.person_id)
        .where(Reminder.source.startswith("statement"))
        .order_by(Staff.username)
    )
    assert rung.tuples().all() == [(name, {"n": 3, "day": str(DAY)}) for name in ("chen", "wu")]
    manager, auditor = login("Manager"), login("Auditor")
    list_ = "/contactstatementview/list/"
    page = manager.get(list_).text
    assert f"{DAY}" in page
    assert page.count("<span class='tag tag-colour-red'>1</span>") == 3
    [listed] = re.findall(rf'href=.(/outreachview/list/[^"\']*{DAY}[^"\']*)', page)
    assert "5" in manager.get(listed.replace("&amp;", "&")).text
    entry = re.search(r'href=.(/changelogview/list/[^"\']*row[^"\']*)', auditor.get(list_).text)
    assert entry is not None
    assert "Statement of contacts" in auditor.get(entry[1].replace("&amp;", "&")).text


def test_days_without_a_ticker_are_made_up_for(
    bank: Bank, session: Session, made: Callable[[dt.date], dict[str, int]]
) -> None:
    assert made(DAY) == {}
    assert made(DAY + dt.timedelta(days=3)) == {}
    days = session.scalars(select(ContactStatement.day).order_by(ContactStatement.day)).all()
    assert days == [DAY + dt.timedelta(days=n) for n in range(4)]
    with bank.app.app_context():
        assert statement.due(at(DAY + dt.timedelta(days=4), "23:59")) == []
        assert statement.due(at(DAY + dt.timedelta(days=200), "00:00"))[0] == DAY + dt.timedelta(days=168)


def send(session: Session, batch: int, **also: Any) -> None:
    session.execute(text("UPDATE outreach SET status = 'sending' WHERE batch_id = :id"), {"id": batch})
    session.commit()
    assert session.scalars(select(Outreach.status).where(Outreach.batch_id == batch)).all()
