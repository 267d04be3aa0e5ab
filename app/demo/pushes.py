"""The pushes of a day in the demo: the ticker's and the worker's own functions by the clock of that day."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from sqlalchemy import Interval, cast, func, select, update

from app.extensions import db
from app.models import Delivery, DeliveryStatus, Push, Reminder
from app.push import deliver
from app.push.tick import tick

#: the hours at which schedules of the presets may push
HOURS = range(9, 20)
#: reminders older than this have been read
READ_AFTER = dt.timedelta(hours=20)


def push_day(day: dt.date, zone: ZoneInfo, now: dt.datetime) -> int:
    """Push what was due on a local date, as far as it is past; how many pushes. Commits."""
    moments = [dt.datetime.combine(day, dt.time(hour), zone).astimezone(dt.UTC) for hour in HOURS]
    made = [push for moment in moments if moment < now for push in _push(moment)]
    _tell_when(made, now)
    return len(made)


def _push(moment: dt.datetime) -> list[int]:
    made = tick(moment)
    if made:
        deliver.work(lambda: moment + dt.timedelta(seconds=2), wait=False)
    return made


def _tell_when(pushes: list[int], now: dt.datetime) -> None:
    """Rows that took the clock of the database say when their push went out; old reminders are read."""
    sent = select(Delivery.uid, Push.at).join(Push, Push.id == Delivery.push_id)
    chosen = sent.where(Delivery.push_id.in_(pushes), Delivery.status == DeliveryStatus.SENT).subquery()
    seen = chosen.c.at + cast(func.make_interval(0, 0, 0, 0, 0, 40), Interval)
    old = chosen.c.at < now - READ_AFTER
    told = update(Reminder).where(Reminder.source == chosen.c.uid)
    db.session.execute(told.values(created_at=chosen.c.at), execution_options={"synchronize_session": False})
    db.session.execute(told.where(old).values(read_at=seen), execution_options={"synchronize_session": False})
    for table in (Push, Delivery):
        own = Push.id if table is Push else Delivery.push_id
        when = select(Push.at).where(Push.id == own).correlate(table).scalar_subquery()
        changed = update(table).where(own.in_(pushes)).values(created_at=Push.at if table is Push else when)
        db.session.execute(changed, execution_options={"synchronize_session": False})
    db.session.commit()
