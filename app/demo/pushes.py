"""The demo's pushes, made by the ticker's and the worker's own functions at past times."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from sqlalchemy import Interval, cast, func, select, update
from sqlalchemy.orm import aliased

from app.extensions import db
from app.models import Delivery, DeliveryStatus, Push, Reminder
from app.push import deliver
from app.push.tick import tick

#: hours in which the preset schedules may push
HOURS = range(9, 20)


def push_day(day: dt.date, zone: ZoneInfo, now: dt.datetime) -> int:
    """Make the pushes that were due on a local date before ``now``, and commit. Return their number."""
    moments = [dt.datetime.combine(day, dt.time(hour), zone).astimezone(dt.UTC) for hour in HOURS]
    pushes = [push for moment in moments if moment < now for push in _push(moment)]
    _backdate(pushes)
    return len(pushes)


def _push(moment: dt.datetime) -> list[int]:
    pushes = tick(moment)
    if pushes:
        deliver.work(lambda: moment + dt.timedelta(seconds=2), wait=False)
    return pushes


def _backdate(pushes: list[int]) -> None:
    """Set the times of rows that have the database's time to those of their push, and commit.

    Also mark earlier reminders as read for everybody who got a new one.
    """
    sent = select(Delivery.uid, Push.at).join(Push, Push.id == Delivery.push_id)
    delivered = sent.where(Delivery.push_id.in_(pushes), Delivery.status == DeliveryStatus.SENT).subquery()
    new = aliased(Reminder)
    seen = Reminder.created_at + cast(func.make_interval(0, 0, 0, 0, 0, 40), Interval)
    dated = update(Reminder).where(Reminder.source == delivered.c.uid).values(created_at=delivered.c.at)
    pushed = Reminder.source.in_(select(Delivery.uid).where(Delivery.push_id.not_in(pushes)))
    reminded = select(new.id).where(new.source == delivered.c.uid).exists()
    earlier = update(Reminder).where(pushed, Reminder.read_at.is_(None), reminded).values(read_at=seen)
    for change in (dated, earlier):
        db.session.execute(change, execution_options={"synchronize_session": False})
    for table in (Push, Delivery):
        own = Push.id if table is Push else Delivery.push_id
        when = select(Push.at).where(Push.id == own).correlate(table).scalar_subquery()
        changed = update(table).where(own.in_(pushes)).values(created_at=Push.at if table is Push else when)
        db.session.execute(changed, execution_options={"synchronize_session": False})
    db.session.commit()
