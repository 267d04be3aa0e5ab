"""Journeys that stand still, one or all of them, and how they go on without a burst.

While a journey stands still nobody enters it, nobody moves in it, and none of its queued contacts is sent.
When it goes on, everybody who is overdue is given a moment in the hours of contact that follow, in the order
in which they fell due and evenly: none of their steps is done before it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, BigInteger, DateTime, bindparam, exists, func, or_, select, update

from app.errors import DomainError
from app.extensions import db
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.lib.wall_clock import seconds_of
from app.models import (
    Journey,
    JourneyEnrolment,
    JourneyStep,
    JourneyStepStatus,
    JourneyStop,
    JourneyVersion,
    Outreach,
    OutreachBatch,
    OutreachBatchStatus,
    OutreachStatus,
    RuleStatus,
)
from app.outreach.openings import Openings
from app.outreach.settings import of_journeys
from app.schedules import calendar

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

#: hours of contact in which what fell due is made up, unless somebody chooses others
HOURS = 8
MAX_HOURS = 200
_REASON = 500
#: rows that are given a moment in one statement
CHUNK = 10_000
_AHEAD = dt.timedelta(days=400)


def pause(journey: Journey, user: str, reason: str) -> JourneyStop:
    """Let a journey stand still, when what is being done at this moment is done. Does not commit.

    Raises DomainError for one that is not running, and without a reason.
    """
    _lock([journey.id])
    db.session.refresh(journey)
    if journey.status != RuleStatus.ACTIVE:
        raise DomainError("%(journey)s is not running.", journey=str(journey))
    stop = _stop(journey.id, user, reason)
    journey.status = RuleStatus.PAUSED
    _hold(JourneyVersion.journey_id == journey.id)
    return stop


def resume(journey: Journey, user: str, hours: int = HOURS) -> None:
    """Let a journey go on. What fell due is made up in so many hours of contact. Does not commit.

    Raises DomainError for one that is not paused, and for other hours than 1 to MAX_HOURS.
    """
    _check(hours)
    _lock([journey.id])
    db.session.refresh(journey)
    if journey.status != RuleStatus.PAUSED:
        raise DomainError("%(journey)s is not paused.", journey=str(journey))
    journey.status = RuleStatus.ACTIVE
    stop = of(journey)
    if stop is None:  # paused otherwise than by a person
        stop = _stop(journey.id, user, "-")
    _end(stop, user, hours)
    if of_all() is None:
        _release(Journey.id == journey.id)


def stop_all(user: str, reason: str) -> JourneyStop:
    """Let every journey stand still at once. Does not commit.

    Raises DomainError when they do already, and without a reason.
    """
    _lock(db.session.scalars(select(Journey.id)))
    if of_all() is not None:
        raise DomainError("All journeys stand still already.")
    stop = _stop(None, user, reason)
    _hold(JourneyVersion.id.is_not(None))
    return stop


def release_all(user: str, hours: int = HOURS) -> None:
    """Let the journeys go on that are not paused themselves. Does not commit. Raises as ``resume`` does."""
    _check(hours)
    stop = of_all()
    if stop is None:
        raise DomainError("The journeys don't stand still.")
    _end(stop, user, hours)
    _release(Journey.status == RuleStatus.ACTIVE)


def of_all() -> JourneyStop | None:
    """Return the stop of all journeys, None while there is none."""
    return db.session.scalar(
        select(JourneyStop).where(JourneyStop.journey_id.is_(None), JourneyStop.ended_at.is_(None))
    )


def of(journey: Journey) -> JourneyStop | None:
    """Return since when and why a journey is paused, None when it is not."""
    return db.session.scalar(
        select(JourneyStop).where(JourneyStop.journey_id == journey.id, JourneyStop.ended_at.is_(None))
    )


def running() -> Any:
    """Return the criterion for journeys that customers enter and move in."""
    stopped = exists().where(JourneyStop.journey_id.is_(None), JourneyStop.ended_at.is_(None))
    return Journey.status == RuleStatus.ACTIVE, Journey.active_version_id.is_not(None), ~stopped


def went_on(journey: Journey) -> dt.datetime | None:
    """Return when a journey last went on after it stood still."""
    about = or_(JourneyStop.journey_id == journey.id, JourneyStop.journey_id.is_(None))
    return db.session.scalar(select(func.max(JourneyStop.ended_at)).where(about))


def locked_for_moving() -> list[int]:
    """Return the journeys in which customers may be moved, which none of them stops before the commit."""
    spread = exists().where(
        or_(JourneyStop.journey_id == Journey.id, JourneyStop.journey_id.is_(None)),
        *(JourneyStop.ended_at.is_not(None), JourneyStop.spread_at.is_(None)),
    )
    active = select(Journey.id).where(Journey.status == RuleStatus.ACTIVE).order_by(Journey.id)
    found = db.session.scalars(active.with_for_update(read=True)).all()
    # A stop that was waited for is seen by this second statement.
    return list(db.session.scalars(select(Journey.id).where(Journey.id.in_(found), *running(), ~spread)))


def overdue(journeys: Sequence[int] | None = None) -> int:
    """Return how many customers of journeys, of all by default, would go on at once."""
    ids = list(db.session.scalars(select(Journey.id))) if journeys is None else journeys
    query = _overdue(ids, clock.now()).with_only_columns(func.count()).order_by(None)
    return db.session.scalar(query) or 0


# -- stopping -----------------------------------------------------------------------------------------


def _lock(ids: Any) -> None:
    """Wait for the chunks under way of journeys, and keep others from beginning."""
    db.session.execute(
        select(Journey.id).where(Journey.id.in_(list(ids))).order_by(Journey.id).with_for_update()
    )


def _stop(journey_id: int | None, user: str, reason: str) -> JourneyStop:
    if not (given := reason.strip()) or len(given) > _REASON:
        raise DomainError("Say why, in at most %(most)s characters.", most=_REASON)
    stop = JourneyStop(journey_id=journey_id, stopped_by=user, reason=given, stopped_at=clock.now())
    db.session.add(stop)
    db.session.flush()
    return stop


def _end(stop: JourneyStop, user: str, hours: int) -> None:
    stop.ended_by, stop.ended_at, stop.hours = user, clock.now(), hours
    db.session.flush()


def _check(hours: int) -> None:
    if not 1 <= hours <= MAX_HOURS:
        raise DomainError("Choose 1 to %(most)s hours.", most=MAX_HOURS)


def _hold(which: Any) -> None:
    """Hold back the queued contacts of versions; senders wait for it, and see it (sending.py)."""
    _batches(which, OutreachBatchStatus.RUNNING, OutreachBatchStatus.PAUSED)


def _release(which: Any) -> None:
    versions = JourneyVersion.journey_id.in_(select(Journey.id).where(which))
    _batches(versions, OutreachBatchStatus.PAUSED, OutreachBatchStatus.RUNNING)


def _batches(which: Any, before: OutreachBatchStatus, after: OutreachBatchStatus) -> None:
    versions = select(JourneyVersion.id).where(which)
    db.session.execute(
        update(OutreachBatch)
        .where(OutreachBatch.journey_version_id.in_(versions), OutreachBatch.status == before)
        .values(status=after),
        execution_options={"synchronize_session": False},
    )


# -- going on -----------------------------------------------------------------------------------------


def spread_overdue(now: dt.datetime) -> None:
    """Give a moment to everybody who fell due while a journey stood still. Commits journey by journey."""
    ended = JourneyStop.ended_at.is_not(None), JourneyStop.spread_at.is_(None)
    for stop in db.session.scalars(select(JourneyStop).where(*ended).order_by(JourneyStop.id)).all():
        about = Journey.id == stop.journey_id if stop.journey_id else Journey.status == RuleStatus.ACTIVE
        for journey_id in db.session.scalars(select(Journey.id).where(about).order_by(Journey.id)).all():
            _spread(journey_id, stop.ended_at or now, stop.hours or HOURS, now)
        stop.spread_at = now
        db.session.commit()


def _spread(journey_id: int, since: dt.datetime, hours: int, now: dt.datetime) -> None:
    found = db.session.execute(_overdue([journey_id], now)).tuples().all()
    moments = paced(since, hours, 0, len(found), len(found))
    for first in range(0, len(found), CHUNK):
        rows, at = found[first : first + CHUNK], moments[first : first + CHUNK]
        steps, people, contacts = zip(*rows, strict=True)
        set_moments(JourneyStep.next_at, steps, at)
        set_moments(JourneyEnrolment.not_before, people, at)
        set_moments(Outreach.next_at, contacts, at)


def set_moments(column: Any, ids: Sequence[int | None], moments: Sequence[dt.datetime]) -> None:
    """Write a moment into a column of each of some rows. Ids that are None are left out."""
    listed = func.unnest(bindparam("ids", list(ids), type_=ARRAY(BigInteger)))
    at = func.unnest(bindparam("moments", list(moments), type_=ARRAY(DateTime(timezone=True))))
    given = select(listed.label("id"), at.label("at")).subquery()
    db.session.execute(
        update(column.class_).where(column.class_.id == given.c.id).values({column: given.c.at}),
        execution_options={"synchronize_session": False},
    )


def paced(since: dt.datetime, hours: int, first: int, last: int, total: int) -> list[dt.datetime]:
    """Return the moments of those from the first to before the last of so many, even in hours of contact."""
    day = clock.today(since)
    openings = Openings(of_journeys(), calendar.current(), current_settings().zone, day, day + _AHEAD)
    seconds = np.arange(first, last, dtype=np.int64) * (hours * 3600) // max(total, 1)
    return [
        dt.datetime.fromtimestamp(each, dt.UTC)
        for each in openings.later(seconds_of(since), seconds).tolist()
    ]


def _overdue(journeys: Sequence[int], now: dt.datetime) -> Any:
    """Return the query of steps that are overdue, their enrolments and queued contacts, the longest first."""
    return (
        select(JourneyStep.id, JourneyStep.enrolment_id, JourneyStep.outreach_id)
        .join(JourneyEnrolment, JourneyEnrolment.id == JourneyStep.enrolment_id)
        .outerjoin(Outreach, Outreach.id == JourneyStep.outreach_id)
        .where(
            *(JourneyStep.status == JourneyStepStatus.WAITING, JourneyStep.next_at <= now),
            JourneyStep.journey_id.in_(journeys),
            or_(JourneyStep.outreach_id.is_(None), Outreach.status == OutreachStatus.QUEUED),
        )
        .order_by(JourneyStep.next_at, JourneyEnrolment.lead_id)
    )
