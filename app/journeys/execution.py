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
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, BigInteger, Integer, and_, cast, exists, func, or_, select, true

from app.extensions import db
from app.journeys import acts, stops
from app.journeys.changes import Changes, Standing
from app.journeys.definition import Contact, Wait
from app.journeys.draw import Draw
from app.journeys.entering import enter
from app.journeys.moves import being_left, carry_out
from app.journeys.past import Past
from app.journeys.plan import OVER, Plan
from app.journeys.slots import Asking
from app.journeys.step import DONE, HELD, WAITING, Batch, advance
from app.journeys.triggers import Events
from app.journeys.versions import journey_def
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.lib.wall_clock import seconds_of
from app.models import (
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
    waiting = select(JourneyStep.id).join(Journey, Journey.id == JourneyStep.journey_id)
    waiting = waiting.where(_is_due(now)).limit(1)
    return bool(_running()) or db.session.scalar(waiting) is not None


def _running() -> Sequence[int]:
    return db.session.scalars(select(Journey.id).where(*stops.running()).order_by(Journey.id)).all()


def _is_due(now: dt.datetime) -> Any:
    return and_(JourneyStep.status == JourneyStepStatus.WAITING, JourneyStep.next_at <= now)


# -- moving -------------------------------------------------------------------------------------------


def _move(now: dt.datetime) -> int:
    """Decide the steps that are due longest, and commit. Return their number."""
    moving = stops.locked_for_moving()
    due = _locked(moving, now)
    query = select(*(due.c[name] for name in Standing._fields)).order_by(due.c.next_at, due.c.lead_id)
    query = query.limit(CHUNK)
    rows = [Standing(*each) for each in db.session.execute(query).tuples()]
    changes = Changes()
    _settle([row for row in rows if row.outreach_id is not None], now, changes)
    groups: dict[tuple[int, str], list[Standing]] = defaultdict(list)
    for row in _one_of_a_person([row for row in rows if row.outreach_id is None], moving, now, changes):
        groups[row.version_id, row.step].append(row)
    asking = Asking(changes, seconds_of(now))
    for (version_id, step), some in groups.items():
        _decide(version_id, step, some, now, changes, asking)
    asking.give()
    changes.store(db.session())
    db.session.commit()
    return len(rows)


def _locked(moving: Sequence[int], now: dt.datetime) -> Any:
    """Return the steps of journeys that are due longest, a chunk of each journey, and lock them.

    An index gives those of a journey in order, however many of another one are held up.
    """
    ids = cast(list(moving), ARRAY(Integer))
    journey = func.unnest(ids).table_valued("id", name="moving").render_derived()
    stays = JourneyEnrolment.version_id.not_in(being_left())
    own = (JourneyStep.id, JourneyStep.enrolment_id, JourneyStep.number, JourneyStep.step)
    enrolled = (JourneyEnrolment.version_id, JourneyEnrolment.lead_id, JourneyEnrolment.hit_id)
    of_step = (JourneyStep.due_at, JourneyStep.done_at, JourneyStep.slot_at, JourneyStep.refused_at)
    moments: Any = (
        *of_step,
        JourneyStep.hold_until,
        JourneyEnrolment.entered_at,
        JourneyEnrolment.not_before,
    )
    due = (
        select(*own, JourneyStep.outreach_id, JourneyStep.next_at, *enrolled)
        .add_columns(*(_seconds(each).label(each.name) for each in moments))
        .join(JourneyEnrolment, JourneyEnrolment.id == JourneyStep.enrolment_id)
        .where(_is_due(now), JourneyStep.journey_id == journey.c.id)
        .where(or_(JourneyStep.outreach_id.is_not(None), stays))
        .order_by(JourneyStep.next_at, JourneyEnrolment.lead_id)
        .limit(CHUNK)
        .with_for_update(of=JourneyStep, skip_locked=True)
        .correlate(journey)
        .lateral("due")
    )
    # A common table expression is read once: read again, it would skip what it has locked.
    return select(due).select_from(journey).join(due, true()).cte("locked")


def _settle(rows: Sequence[Standing], now: dt.datetime, changes: Changes) -> None:
    """Take note of what became of contacts that were queued."""
    ids = [row.outreach_id for row in rows]
    query = select(Outreach.id, Outreach.status, Outreach.reason).where(Outreach.id == func.any(ids))
    found = {key: (status, reason) for key, status, reason in db.session.execute(query).tuples()}
    plans = {version: _plan(version) for version in {row.version_id for row in rows}}
    for row in rows:
        status, reason = found.get(row.outreach_id or 0, ("dropped", "deleted"))
        plan = plans[row.version_id]
        then, held = next(step.ways for step in plan.steps if step.id == row.step)
        if status in UNDER_WAY:
            changes.look_again(row, seconds_of(now + SENDING))
        elif status in NOT_MADE:
            changes.end(row, HELD, seconds_of(now), reason, _id(plan, held))
        else:
            changes.end(row, DONE, row.done_at or seconds_of(now), "", _id(plan, then))


def _id(plan: Plan, way: int) -> str | None:
    return None if way == OVER else plan.steps[way].id


def _plan(version_id: int) -> Plan:
    version = db.session.get_one(JourneyVersion, version_id)
    return Plan(journey_def(version), Draw.of(current_settings(), version.journey.code))


def _decide(
    version_id: int,
    step_id: str,
    rows: Sequence[Standing],
    now: dt.datetime,
    changes: Changes,
    asking: Asking,
) -> None:
    plan, config, today = _plan(version_id), current_settings(), clock.today(now)
    place = next(number for number, step in enumerate(plan.steps) if step.id == step_id)
    step, is_paced = plan.steps[place].definition, plan.paces(place)
    until = seconds_of(now)

    def each(name: str) -> Any:
        return np.array([getattr(row, name) or 0 for row in rows], np.int64)

    found = Events(each("lead_id"), each("entered_at"), each("hit_id"))
    world = Past(plan, config, (today, today), found).world(None, until, step)
    world.not_before = each("not_before")
    batch = Batch.starting(plan, world, np.arange(len(rows)), each("due_at"))
    if is_paced:
        batch = replace(batch, slot=each("slot_at"), refused=each("refused_at"), hold=each("hold_until"))
    if isinstance(step, Wait) and step.until == "answered":
        batch = replace(batch, answer=_answers(rows))
    moves = advance(plan, place, batch, world, until, world.openings.began(until))
    version = db.session.get_one(JourneyVersion, version_id)
    done = [row for row, status in zip(rows, moves.status, strict=True) if status == DONE]
    acts.act(step, version, done, now)
    if is_paced:
        asking.add(version, plan, place, rows, moves, world)
    wanted: dict[Wanted, tuple[Standing, int]] = {}
    told = zip(*(part.tolist() for part in (moves.status, moves.at, moves.why, moves.way)), strict=True)
    for row, (status, at, why, way) in zip(rows, told, strict=True):
        if status == WAITING:
            if not is_paced:
                changes.look_again(row, at)
        elif status == DONE and isinstance(step, Contact):
            wanted[Wanted(row.lead_id, row.hit_id, row.number)] = row, at
        else:
            changes.end(row, status, at, plan.words[why], _id(plan, way))
    if wanted and isinstance(step, Contact):
        queued = for_journeys.queue(version, step.id, step.channel, step.template, [*wanted], now)
        for contact, (row, at) in wanted.items():
            changes.ask(row, at, queued[contact], seconds_of(now + SENDING))


def _one_of_a_person(
    rows: Sequence[Standing], moving: Sequence[int], now: dt.datetime, changes: Changes
) -> list[Standing]:
    """Return the rows without contacts of people of whom another one goes before; those are looked at again.

    People who share a phone are led one after the other, at the same moment lead by lead as in a simulation:
    whose contact was made takes the steps that follow at once before the next one is judged.
    """
    plans = {version: _plan(version) for version in {row.version_id for row in rows}}
    paced = {
        (version, step.id): plan.paces(place)
        for version, plan in plans.items()
        for place, step in enumerate(plan.steps)
        if isinstance(step.definition, Contact)
    }
    ids = [row.lead_id for row in rows]
    query = select(Lead.id, Lead.phone_index, Lead.id_hash).where(Lead.id == func.any(ids))
    known = {key: each for key, *each in db.session.execute(query).tuples()}
    busy = _busy(
        [phone for phone, _person in known.values()], [person for _, person in known.values()], moving
    )
    seen, free = set[str](), list[Standing]()
    for row in rows:
        phone, person = known[row.lead_id]
        # Who only asks for a slot is not judged yet.
        is_asking = row.slot_at is None and paced.get((row.version_id, row.step), False)
        is_contact = (row.version_id, row.step) in paced and not is_asking
        if is_contact and (busy | seen) & {phone, person}:
            changes.look_again(row, seconds_of(now + SENDING))
        else:
            free.append(row)
            seen |= {phone, person}
    return free


def _busy(phones: Sequence[str], people: Sequence[str], moving: Sequence[int]) -> set[str]:
    """Return the phones and people, of those given, whose contact by a journey is not settled yet.

    The contacts are looked up first, by index: together with the leads, a plan made while the tables were
    nearly empty would read every step for each of them.
    """
    theirs = or_(Outreach.phone_index == func.any(phones), Outreach.id_hash == func.any(people))
    is_unsettled = and_(JourneyStep.status == JourneyStepStatus.WAITING, JourneyStep.journey_id.in_(moving))
    steps = exists().where(
        JourneyStep.outreach_id == Outreach.id, or_(Outreach.status.in_(UNDER_WAY), is_unsettled)
    )
    query = select(Outreach.phone_index, Outreach.id_hash).where(theirs, steps)
    return {key for pair in db.session.execute(query) for key in pair}


def _answers(rows: Sequence[Standing]) -> Any:
    """Return the moments at which the customers answered their last contacts."""
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
    return np.array(answer, np.int64)


def _seconds(column: Any) -> Any:
    return cast(func.floor(func.extract("epoch", column)), BigInteger)
