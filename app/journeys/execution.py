"""Journeys under way: their steps as they fall due, once customers have entered (entering.py).

Everything is decided by the same step function as in a simulation, of the world as it is now. A chunk of
steps is decided and stored in one transaction, with the contacts that it asks for: a worker that dies has
done nothing. A contact is done when it was sent; until then nobody who shares the phone is judged.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import aliased, contains_eager

from app.extensions import db
from app.journeys import acts, stops
from app.journeys.definition import (
    Contact,
)
from app.journeys.draw import Draw
from app.journeys.entering import enter
from app.journeys.moves import being_left, carry_out
from app.journeys.past import Past
from app.journeys.plan import OVER, Plan
from app.journeys.step import DONE, HELD, STATUSES, WAITING, Batch, advance
from app.journeys.triggers import Events
from app.journeys.versions import journey_def
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.lib.wall_clock import seconds_of
from app.models import (
    EnrolmentStatus,
    Journey,
    JourneyEnrolment,
    JourneyStep,
    JourneyStepStatus,
    JourneyVersion,
    Lead,
    Outreach,
    OutreachEvent,
)
from app.outreach import for_journeys
from app.outreach.for_journeys import NOT_MADE, UNDER_WAY, Wanted
from app.outreach.openings import NEVER
from app.segments.contacts import ANSWERED

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

#: steps decided in one transaction
CHUNK = 1000
#: when to look again whether a contact was sent
SENDING = dt.timedelta(seconds=5)

log = logging.getLogger(__name__)


def work(now: dt.datetime | None = None) -> int:
    """Let customers enter and do every step that is due, committing as it goes. Return how many."""
    moment = now or clock.now()
    for journey_id in _running():
        try:
            enter(journey_id, moment)
        except Exception:
            db.session.rollback()
            log.exception("customers could not enter journey %s; the next look tries again", journey_id)
    stops.spread_overdue(moment)
    carry_out(moment)
    total = 0
    while done := _move(moment):
        total += done
    return total


def due(now: dt.datetime) -> bool:
    """Whether there is work for a worker."""
    waiting = select(JourneyStep.id).where(_is_due(now)).limit(1)
    return bool(_running()) or db.session.scalar(waiting) is not None


def _running() -> Sequence[int]:
    return db.session.scalars(select(Journey.id).where(*stops.running()).order_by(Journey.id)).all()


def _is_due(now: dt.datetime) -> Any:
    return and_(JourneyStep.status == JourneyStepStatus.WAITING, JourneyStep.next_at <= now)


# -- moving -------------------------------------------------------------------------------------------


def _move(now: dt.datetime) -> int:
    """Decide the steps that are due longest, and commit. Return their number."""
    moving = stops.locked_for_moving()
    stays = JourneyEnrolment.version_id.not_in(being_left())
    query = (
        select(JourneyStep)
        .join(JourneyEnrolment, JourneyEnrolment.id == JourneyStep.enrolment_id)
        .options(contains_eager(JourneyStep.enrolment))
        .where(_is_due(now), JourneyEnrolment.journey_id.in_(moving))
        .where(or_(JourneyStep.outreach_id.is_not(None), stays))
        .order_by(JourneyStep.next_at, JourneyEnrolment.lead_id)
        .limit(CHUNK)
        .with_for_update(of=JourneyStep, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    rows = list(db.session.scalars(query))
    asked = [row for row in rows if row.outreach_id is not None]
    _settle(asked, now)
    groups: dict[tuple[int, str], list[JourneyStep]] = defaultdict(list)
    for row in rows:
        if row.outreach_id is None:
            groups[row.enrolment.version_id, row.step].append(row)
    for (version_id, step), some in groups.items():
        _decide(version_id, step, some, now)
    db.session.commit()
    return len(rows)


def _settle(rows: Sequence[JourneyStep], now: dt.datetime) -> None:
    """Take note of what became of contacts that were queued."""
    ids = [row.outreach_id for row in rows]
    query = select(Outreach.id, Outreach.status, Outreach.reason).where(Outreach.id == func.any(ids))
    found = {key: (status, reason) for key, status, reason in db.session.execute(query).tuples()}
    plans = {version: _plan(version) for version in {row.enrolment.version_id for row in rows}}
    for row in rows:
        status, reason = found.get(row.outreach_id or 0, ("dropped", "deleted"))
        plan = plans[row.enrolment.version_id]
        then, held = next(step.ways for step in plan.steps if step.id == row.step)
        if status in UNDER_WAY:
            row.next_at = now + SENDING
        elif status in NOT_MADE:
            _finish(row, HELD, now, reason, plan, held)
        else:
            _finish(row, DONE, row.done_at or now, "", plan, then)


def _plan(version_id: int) -> Plan:
    version = db.session.get_one(JourneyVersion, version_id)
    return Plan(journey_def(version), Draw.of(current_settings(), version.journey.code))


def _decide(version_id: int, step_id: str, rows: Sequence[JourneyStep], now: dt.datetime) -> None:
    plan, config, today = _plan(version_id), current_settings(), clock.today(now)
    place = next(number for number, step in enumerate(plan.steps) if step.id == step_id)
    step = plan.steps[place].definition
    if isinstance(step, Contact):
        rows = _one_of_a_person(rows, now)
    if not rows:
        return
    until, period = seconds_of(now), (today, today)
    found = Events(
        np.array([row.enrolment.lead_id for row in rows], np.int64),
        np.array([seconds_of(row.enrolment.entered_at) for row in rows], np.int64),
        np.array([row.enrolment.hit_id or 0 for row in rows], np.int64),
    )
    world = Past(plan, config, period, found).world(None, until)
    world.not_before = np.array([_seconds(row.enrolment.not_before) for row in rows], np.int64)
    due_at = np.array([seconds_of(row.due_at) for row in rows], np.int64)
    batch = Batch.starting(plan, world, np.arange(len(rows)), due_at)
    moves = advance(plan, place, _answered(batch, rows), world, until, world.openings.began(until))
    version = db.session.get_one(JourneyVersion, version_id)
    done = [row for row, status in zip(rows, moves.status, strict=True) if status == DONE]
    acts.act(step, version, done, now)
    wanted: dict[int, Wanted] = {}
    for number, row in enumerate(rows):
        at = _moment(moves.at[number])
        if moves.status[number] == WAITING:
            row.next_at = at
        elif moves.status[number] == DONE and isinstance(step, Contact):
            row.done_at, row.next_at = at, now
            wanted[row.id] = Wanted(row.enrolment.lead_id, row.enrolment.hit_id, row.number)
        else:
            word = plan.words[moves.why[number]]
            _finish(row, int(moves.status[number]), at, word, plan, int(moves.way[number]))
    if wanted and isinstance(step, Contact):
        queued = for_journeys.queue(version, step.id, step.channel, step.template, [*wanted.values()], now)
        for row in rows:
            if row.id in wanted:
                row.outreach_id = queued[wanted[row.id]]


def _one_of_a_person(rows: Sequence[JourneyStep], now: dt.datetime) -> list[JourneyStep]:
    """Return the rows of people of whom no contact is on its way; the others are looked at again."""
    lead, sending, of = aliased(Lead), aliased(Outreach), aliased(JourneyStep)
    busy = exists().where(
        sending.id == of.outreach_id,
        sending.status.in_(UNDER_WAY),
        or_(sending.phone_index == lead.phone_index, sending.id_hash == lead.id_hash),
    )
    ids = [row.enrolment.lead_id for row in rows]
    query = select(lead.id, lead.phone_index, lead.id_hash, busy).where(lead.id == func.any(ids))
    known = {key: each for key, *each in db.session.execute(query).tuples()}
    seen, free = set[str](), list[JourneyStep]()
    for row in rows:
        phone, person, is_busy = known[row.enrolment.lead_id]
        if is_busy or seen & {phone, person}:
            row.next_at = now + SENDING
        else:
            free.append(row)
            seen |= {phone, person}
    return free


def _answered(batch: Batch, rows: Sequence[JourneyStep]) -> Batch:
    """Return a batch with the moments at which the customers answered their last contacts."""
    last = (
        select(JourneyStep.enrolment_id, func.max(JourneyStep.number).label("number"))
        .where(
            JourneyStep.enrolment_id == func.any([row.enrolment_id for row in rows]),
            or_(JourneyStep.outreach_id.is_not(None), JourneyStep.status == JourneyStepStatus.HELD),
        )
        .group_by(JourneyStep.enrolment_id)
        .subquery()
    )
    query = (
        select(JourneyStep.enrolment_id, func.min(OutreachEvent.at))
        .join(
            last, and_(last.c.enrolment_id == JourneyStep.enrolment_id, last.c.number == JourneyStep.number)
        )
        .join(OutreachEvent, OutreachEvent.outreach_id == JourneyStep.outreach_id)
        .where(OutreachEvent.outcome.in_(ANSWERED), JourneyStep.status == JourneyStepStatus.DONE)
        .group_by(JourneyStep.enrolment_id)
    )
    found = dict(db.session.execute(query).tuples().all())
    answer = [seconds_of(at) if (at := found.get(row.enrolment_id)) else NEVER for row in rows]
    return Batch(
        batch.who, batch.due, np.array(answer, np.int64), batch.recent, batch.contacted, batch.answered
    )


def _finish(row: JourneyStep, status: int, at: dt.datetime, why: str, plan: Plan, way: int) -> None:
    """Store the end of a step, and the next one or the end of the journey."""
    row.status, row.done_at, row.why, row.next_at = JourneyStepStatus(STATUSES[status]), at, why, None
    if way != OVER:
        db.session.add(
            JourneyStep(
                enrolment_id=row.enrolment_id,
                number=row.number + 1,
                step=plan.steps[way].id,
                due_at=at,
                next_at=at,
            )
        )
        return
    left = STATUSES[status] == "skipped"
    ended = (
        EnrolmentStatus.ENDED if not left else EnrolmentStatus.GOAL if why == "goal" else EnrolmentStatus.LEFT
    )
    row.enrolment.status, row.enrolment.ended_at = ended, at
    row.enrolment.why = why if left else ""


def _moment(seconds: Any) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC)


def _seconds(moment: dt.datetime | None) -> int:
    return 0 if moment is None else seconds_of(moment)
