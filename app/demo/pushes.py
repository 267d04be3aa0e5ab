"""The pushes of a day in the demo: the ticker's and the worker's own functions by the clock of that day."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from sqlalchemy import Interval, cast, func, select, update
from sqlalchemy.orm import aliased

from app.extensions import db
from app.models import Delivery, DeliveryStatus, Push, Reminder
from app.push import deliver
from app.push.tick import tick

#: the hours at which schedules of the presets may push
HOURS = range(9, 20)


def push_day(day: dt.date, zone: ZoneInfo, now: dt.datetime) -> int:
    """Push what was due on a local date, as far as it is past; how many pushes. Commits."""
    moments = [dt.datetime.combine(day, dt.time(hour), zone).astimezone(dt.UTC) for hour in HOURS]
    made = [push for moment in moments if moment < now for push in _push(moment)]
    _tell_when(made)
    return len(made)


def _push(moment: dt.datetime) -> list[int]:
    made = tick(moment)
    if made:
        deliver.work(lambda: moment + dt.timedelta(seconds=2), wait=False)
    return made


def _tell_when(pushes: list[int]) -> None:
    """Let rows that took the database's clock say when their push went out, and earlier reminders be read.

    A day whose pushes reminded nobody leaves the reminders of the day before unread.
    """
    sent = select(Delivery.uid, Push.at).join(Push, Push.id == Delivery.push_id)
    chosen = sent.where(Delivery.push_id.in_(pushes), Delivery.status == DeliveryStatus.SENT).subquery()
    new = aliased(Reminder)
    seen = Reminder.created_at + cast(func.make_interval(0, 0, 0, 0, 0, 40), Interval)
    told = update(Reminder).where(Reminder.source == chosen.c.uid).values(created_at=chosen.c.at)
    pushed = Reminder.source.in_(select(Delivery.uid).where(Delivery.push_id.not_in(pushes)))
    reminded = select(new.id).where(new.source == chosen.c.uid).exists()
    earlier = update(Reminder).where(pushed, Reminder.read_at.is_(None), reminded).values(read_at=seen)
    for change in (told, earlier):
        db.session.execute(change, execution_options={"synchronize_session": False})
    for table in (Push, Delivery):
        own = Push.id if table is Push else Delivery.push_id
        when = select(Push.at).where(Push.id == own).correlate(table).scalar_subquery()
        changed = update(table).where(own.in_(pushes)).values(created_at=Push.at if table is Push else when)
        db.session.execute(changed, execution_options={"synchronize_session": False})
    db.session.commit()
