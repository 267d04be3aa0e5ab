"""The tick: makes the pushes that are due. Any number of tickers may call it at the same time."""

from __future__ import annotations

import datetime as dt
import logging
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from app.extensions import db
from app.jobs.locks import Lock, try_lock
from app.models import Push, RuleStatus, Schedule, ScheduleVersion
from app.push import outbox
from app.schedules.calendar import Calendar, current
from app.schedules.definition import ScheduleDef
from app.schedules.plan import STEPS, plan
from app.schedules.plan import Push as Planned
from app.schedules.versions import version_def
from app.schedules.windows import allowed_from

#: A push made this long after its moment is still on time: tickers wake every 15 s.
GRACE = dt.timedelta(seconds=60)
#: How far ahead the next push is looked for, in days, ever farther.
AHEAD_DAYS = (2, 40)
#: A schedule is looked at this often even when nothing is due: the calendar may have been changed.
RECHECK = dt.timedelta(minutes=10)
#: An outage longer than this loses slots, not hits.
LONGEST_OUTAGE = dt.timedelta(days=40)


log = logging.getLogger(__name__)


class Meanwhile(Exception):
    """Somebody changed the schedule while it was pushed: nothing happened, the next tick looks again."""


def tick(now: dt.datetime) -> list[int]:
    """Make every push that is due at ``now``; the ids of those that were made. Commits each by itself.

    A schedule that fails is logged and does not keep the others from being pushed.
    """
    made, session = [], db.session()
    for schedule_id in _to_look_at(session, now):
        try:
            push_id = _tick_one(session, schedule_id, now)
            session.commit()
        except Meanwhile:
            session.rollback()
            continue
        except Exception:
            session.rollback()
            log.exception("schedule %s could not be pushed; the next tick tries again", schedule_id)
            continue
        if push_id is not None:
            made.append(push_id)
    _forget_the_resting(session)
    outbox.settle(session)
    session.commit()
    return made


def _to_look_at(session: Session, now: dt.datetime) -> list[int]:
    changed = Schedule.due_version_id.is_distinct_from(Schedule.active_version_id)
    found = session.scalars(
        select(Schedule.id)
        .where(
            Schedule.status == RuleStatus.ACTIVE,
            Schedule.active_version_id.is_not(None),
            or_(
                changed,
                Schedule.next_due_at <= now,
                # Never, or the clock went back, or it is long ago.
                Schedule.looked_at.is_(None),
                Schedule.looked_at > now,
                Schedule.looked_at < now - RECHECK,
            ),
        )
        .order_by(Schedule.next_due_at.nulls_first(), Schedule.id)
    )
    ids = list(found)
    session.commit()
    return ids


def _tick_one(session: Session, schedule_id: int, now: dt.datetime) -> int | None:
    """Push one schedule if a slot is due and nobody else does it at the moment.

    The lock of tickers is no lock on the row: whoever pauses or edits a schedule does not wait while a
    million hits are taken. What was read is compared when the row is written, at the very end.
    """
    if not try_lock(session, Lock.SCHEDULE, schedule_id):
        return None
    schedule = session.scalar(
        select(Schedule)
        .where(Schedule.id == schedule_id, Schedule.status == RuleStatus.ACTIVE)
        .execution_options(populate_existing=True)
    )
    if schedule is None or schedule.active_version is None:
        return None
    version, zone = schedule.active_version, current_app.config["SETTINGS"].zone
    definition, calendar = version_def(version), current()
    since = _since(schedule.pushed_until, now)
    due = _due(definition, since, now, zone, calendar)
    wait = _not_before(session, schedule, definition, now, zone, calendar) if due else now
    if wait > now:
        # Silent by now, or too close to the push before: the slots stay due.
        _note(session, version, now, since, wait)
        return None
    made = None
    if due:
        slot = due[-1]
        at = slot.at if slot.at is not None and now - slot.at <= GRACE else now
        made = outbox.make_push(session, version, definition, slot, at=at, missed=len(due) - 1)
    _note(session, version, now, now, _next(definition, now, zone, calendar))
    return made


def _note(
    session: Session,
    version: ScheduleVersion,
    now: dt.datetime,
    pushed_until: dt.datetime,
    next_due_at: dt.datetime | None,
) -> None:
    """Write how far the schedule is. Raises Meanwhile when it was paused or got another version since."""
    done = session.execute(
        update(Schedule)
        .where(
            Schedule.id == version.schedule_id,
            Schedule.status == RuleStatus.ACTIVE,
            Schedule.active_version_id == version.id,
        )
        .values(looked_at=now, due_version_id=version.id, pushed_until=pushed_until, next_due_at=next_due_at)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise Meanwhile


def _since(pushed_until: dt.datetime | None, now: dt.datetime) -> dt.datetime:
    """From when on slots are due. After a first start or a clock that went back: those just now."""
    if pushed_until is None or pushed_until > now:
        return now - GRACE
    return max(pushed_until, now - LONGEST_OUTAGE)


def _due(
    definition: ScheduleDef, since: dt.datetime, now: dt.datetime, zone: ZoneInfo, calendar: Calendar
) -> list[Planned]:
    """The pushes planned after ``since`` and not after ``now``; several coalesce into one."""
    # A silent slot may be put off until just before the next one.
    back = dt.timedelta(days=STEPS.get(definition.preset, 1) + 1)
    first = (since.astimezone(zone) - back).date()
    days = (now.astimezone(zone).date() - first).days + 1
    planned = plan(definition, first, days, zone, calendar)
    return [each for each in planned if each.at is not None and since < each.at <= now]


def _not_before(
    session: Session,
    schedule: Schedule,
    definition: ScheduleDef,
    now: dt.datetime,
    zone: ZoneInfo,
    calendar: Calendar,
) -> dt.datetime:
    """``now``, or when the schedule may push again: after silence and the minimum gap."""
    last = session.scalar(
        select(func.max(Push.at)).where(
            Push.schedule_id == schedule.id, Push.is_test.is_(False), Push.at <= now
        )
    )
    gap = dt.timedelta(seconds=definition.min_gap_seconds)
    earliest = now if last is None else max(now, last + gap)
    return allowed_from(definition, earliest, zone, calendar)


def _next(
    definition: ScheduleDef, now: dt.datetime, zone: ZoneInfo, calendar: Calendar
) -> dt.datetime | None:
    """When the schedule pushes next, None when that is far away."""
    back = dt.timedelta(days=STEPS.get(definition.preset, 1) + 1)
    first = (now.astimezone(zone) - back).date()
    for days in AHEAD_DAYS:
        for each in plan(definition, first, days + back.days, zone, calendar):
            if each.at is not None and each.at > now:
                return each.at
    return None


def _forget_the_resting(session: Session) -> None:
    """What fell due while a schedule was paused is not made up for when it is resumed."""
    session.execute(
        update(Schedule)
        .where(Schedule.status != RuleStatus.ACTIVE, Schedule.pushed_until.is_not(None))
        .values(pushed_until=None, next_due_at=None, looked_at=None)
    )
