"""The tick: creates the pushes that are due. Any number of tickers may call it at the same time."""

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

#: A push created this long after its moment is still on time, as tickers wake every 15 s.
GRACE = dt.timedelta(seconds=60)
#: The next push is looked for this many days ahead, then further if there is none.
AHEAD_DAYS = (2, 40)
#: A schedule is checked this often even when nothing is due, because the calendar may have changed.
RECHECK = dt.timedelta(minutes=10)
#: Slots missed in a longer outage are dropped. Their hits go with the next push.
LONGEST_OUTAGE = dt.timedelta(days=40)


log = logging.getLogger(__name__)


class ConcurrentChange(Exception):
    """The schedule was changed while it was being pushed. Nothing was stored; the next tick tries again."""


def tick(now: dt.datetime) -> list[int]:
    """Create every push that is due at ``now``, committing each. Return their ids.

    A schedule that fails is logged and does not keep the others from being pushed.
    """
    created, session = [], db.session()
    for schedule_id in _schedules_to_check(session, now):
        try:
            push_id = _push_if_due(session, schedule_id, now)
            session.commit()
        except ConcurrentChange:
            session.rollback()
            continue
        except Exception:
            session.rollback()
            log.exception("schedule %s could not be pushed; the next tick tries again", schedule_id)
            continue
        if push_id is not None:
            created.append(push_id)
    _reset_inactive(session)
    outbox.settle(session)
    session.commit()
    return created


def _schedules_to_check(session: Session, now: dt.datetime) -> list[int]:
    changed = Schedule.due_version_id.is_distinct_from(Schedule.active_version_id)
    ids = session.scalars(
        select(Schedule.id)
        .where(
            Schedule.status == RuleStatus.ACTIVE,
            Schedule.active_version_id.is_not(None),
            or_(
                changed,
                Schedule.next_due_at <= now,
                # Never checked, or the clock went back, or the last check is long ago.
                Schedule.looked_at.is_(None),
                Schedule.looked_at > now,
                Schedule.looked_at < now - RECHECK,
            ),
        )
        .order_by(Schedule.next_due_at.nulls_first(), Schedule.id)
    ).all()
    session.commit()
    return list(ids)


def _push_if_due(session: Session, schedule_id: int, now: dt.datetime) -> int | None:
    """Create the push of a schedule if a slot is due. Return its id, or None if there is none.

    An advisory lock keeps other tickers away without locking the row, so that nobody who pauses or edits the
    schedule waits while a million hits are taken. Raises ConcurrentChange when the schedule was changed.
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
    earliest = _earliest(session, schedule, definition, now, zone, calendar) if due else now
    if earliest > now:
        # Silent now, or too close to the previous push: the slots stay due.
        _store_progress(session, version, now, since, earliest)
        return None
    push_id = None
    if due:
        slot = due[-1]
        at = slot.at if slot.at is not None and now - slot.at <= GRACE else now
        push_id = outbox.make_push(session, version, definition, slot, at=at, missed=len(due) - 1)
    _store_progress(session, version, now, now, _next(definition, now, zone, calendar))
    return push_id


def _store_progress(
    session: Session,
    version: ScheduleVersion,
    now: dt.datetime,
    pushed_until: dt.datetime,
    next_due_at: dt.datetime | None,
) -> None:
    """Store until when the schedule was pushed and when it is due next.

    Raises ConcurrentChange when it was paused or got another version in the meantime.
    """
    updated = session.execute(
        update(Schedule)
        .where(
            Schedule.id == version.schedule_id,
            Schedule.status == RuleStatus.ACTIVE,
            Schedule.active_version_id == version.id,
        )
        .values(looked_at=now, due_version_id=version.id, pushed_until=pushed_until, next_due_at=next_due_at)
        .execution_options(synchronize_session=False)
    )
    if updated.rowcount != 1:  # type: ignore[attr-defined]
        raise ConcurrentChange


def _since(pushed_until: dt.datetime | None, now: dt.datetime) -> dt.datetime:
    """Return the moment after which slots are due: just now at the first start or if the clock went back."""
    if pushed_until is None or pushed_until > now:
        return now - GRACE
    return max(pushed_until, now - LONGEST_OUTAGE)


def _due(
    definition: ScheduleDef, since: dt.datetime, now: dt.datetime, zone: ZoneInfo, calendar: Calendar
) -> list[Planned]:
    """Return the pushes planned after ``since`` and not after ``now``, which the caller merges into one."""
    # A silent slot may be delayed until just before the next one.
    back = dt.timedelta(days=STEPS.get(definition.preset, 1) + 1)
    first = (since.astimezone(zone) - back).date()
    days = (now.astimezone(zone).date() - first).days + 1
    planned = plan(definition, first, days, zone, calendar)
    return [each for each in planned if each.at is not None and since < each.at <= now]


def _earliest(
    session: Session,
    schedule: Schedule,
    definition: ScheduleDef,
    now: dt.datetime,
    zone: ZoneInfo,
    calendar: Calendar,
) -> dt.datetime:
    """Return when the schedule may push at the earliest: ``now``, or after silence and the minimum gap."""
    last = session.scalar(
        select(func.max(Push.at)).where(
            Push.schedule_id == schedule.id, Push.is_test.is_(False), Push.at <= now
        )
    )
    gap = dt.timedelta(seconds=definition.min_gap_seconds)
    after_gap = now if last is None else max(now, last + gap)
    return allowed_from(definition, after_gap, zone, calendar)


def _next(
    definition: ScheduleDef, now: dt.datetime, zone: ZoneInfo, calendar: Calendar
) -> dt.datetime | None:
    """Return when the schedule pushes next, None when that is far away."""
    back = dt.timedelta(days=STEPS.get(definition.preset, 1) + 1)
    first = (now.astimezone(zone) - back).date()
    for days in AHEAD_DAYS:
        for each in plan(definition, first, days + back.days, zone, calendar):
            if each.at is not None and each.at > now:
                return each.at
    return None


def _reset_inactive(session: Session) -> None:
    """Reset the progress of inactive schedules, so that slots missed while paused are not made up for."""
    session.execute(
        update(Schedule)
        .where(Schedule.status != RuleStatus.ACTIVE, Schedule.pushed_until.is_not(None))
        .values(pushed_until=None, next_due_at=None, looked_at=None)
    )
