"""Mails of reminders, collected by person.

The row of a mail is created first, and its reminders refer to it, so that each reminder is sent in one mail
only, whichever process collects it.
"""

from __future__ import annotations

import datetime as dt

from flask import current_app
from sqlalchemy import ColumnElement, and_, func, or_, select

from app.extensions import db
from app.models import Mail, MailKind, Reminder, ReminderChoice, Staff
from app.reminders.choices import AT_ONCE, DAILY

#: minimum time between two mails to a person
APART = dt.timedelta(minutes=1)
#: reminders not mailed within this time are too old to mail
FRESH = dt.timedelta(days=2)


def collect(now: dt.datetime) -> int:
    """Create the mails that are due, committing person by person. Return their number."""
    if not current_app.config["SETTINGS"].smtp_url:
        return 0
    made = 0
    for person_id in _people(now):
        made += _collect_for(person_id, now)
        db.session.commit()
    return made


def _people(now: dt.datetime) -> list[int]:
    """Return the people who have reminders to be mailed at once, or whose daily mail is due."""
    rings = (
        select(Reminder.id)
        .where(
            Reminder.person_id == ReminderChoice.person_id,
            ReminderChoice.kinds.op("->>")(Reminder.kind) == AT_ONCE,
            *_unmailed(now),
        )
        .exists()
    )
    local = _local(now)
    daily = and_(
        ReminderChoice.daily_at <= local.time().replace(tzinfo=None),
        ReminderChoice.last_daily_on.is_distinct_from(local.date()),
    )
    query = (
        select(ReminderChoice.person_id)
        .join(Staff, Staff.id == ReminderChoice.person_id)
        .where(ReminderChoice.kinds != {}, Staff.active.is_(True), or_(rings, daily))
        .order_by(ReminderChoice.person_id)
    )
    return list(db.session.scalars(query))


def _unmailed(now: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Reminder.read_at.is_(None),
        Reminder.mail_id.is_(None),
        Reminder.created_at >= ReminderChoice.since,
        Reminder.created_at > now - FRESH,
    )


def _collect_for(person_id: int, now: dt.datetime) -> int:
    """Create the mail that is due for a person, holding their choice's row. Return 1 if there is one."""
    choice = db.session.scalar(
        select(ReminderChoice)
        .where(ReminderChoice.person_id == person_id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if choice is None or _just_mailed(person_id, now):
        return 0
    ways = {AT_ONCE}
    local = _local(now)
    if local.time() >= choice.daily_at and choice.last_daily_on != local.date():
        choice.last_daily_on = local.date()
        ways.add(DAILY)
    kinds = [kind for kind, way in choice.kinds.items() if way in ways]
    query = (
        select(Reminder)
        .join(ReminderChoice, ReminderChoice.person_id == Reminder.person_id)
        .where(Reminder.person_id == person_id, Reminder.kind.in_(kinds), *_unmailed(now))
    )
    reminders = list(db.session.scalars(query))
    if not reminders:
        return 0
    mail = Mail(
        kind=MailKind.REMINDERS,
        person_id=person_id,
        reminders=len(reminders),
        next_at=now,
        created_at=now,
    )
    db.session.add(mail)
    db.session.flush()
    for reminder in reminders:
        reminder.mail_id = mail.id
    return 1


def _just_mailed(person_id: int, now: dt.datetime) -> bool:
    theirs = (Mail.person_id == person_id, Mail.kind == MailKind.REMINDERS)
    at = db.session.scalar(select(func.max(Mail.created_at)).where(*theirs))
    return at is not None and now - APART < at <= now


def _local(now: dt.datetime) -> dt.datetime:
    return now.astimezone(current_app.config["SETTINGS"].zone)
