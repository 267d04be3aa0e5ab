"""Journeys under way: customers who enter, and their steps as they fall due.

Everything is decided by the same step function as in a simulation, of the world as it is now. A chunk of
steps is decided and stored in one transaction, with the contacts that it asks for: a worker that dies has
done nothing. A contact is done when it was sent; until then nobody who shares the phone is judged.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import aliased, contains_eager

from app.extensions import db
from app.journeys.definition import (
    Branch,
    Contact,
    End,
    HitTrigger,
    JourneyDef,
    Reentry,
    Split,
    TagStep,
    Wait,
)
from app.journeys.draw import Draw
from app.journeys.past import Past
from app.journeys.plan import OVER, Plan
from app.journeys.step import DONE, HELD, STATUSES, WAITING, Batch, advance
from app.journeys.triggers import Events
from app.journeys.versions import journey_def
from app.leads import tags
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.lib.wall_clock import seconds_of
from app.models import (
    EnrolmentStatus,
    Hit,
    HitStatus,
    Journey,
    JourneyEnrolment,
    JourneyStep,
    JourneyStepStatus,
    JourneyVersion,
    Lead,
    Outcome,
    Outreach,
    OutreachEvent,
    Rule,
    RuleStatus,
    Tag,
)
from app.outreach import for_journeys
from app.outreach.for_journeys import NOT_MADE, UNDER_WAY, Wanted
from app.outreach.openings import NEVER
from app.segments.contacts import ANSWERED

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

#: steps decided in one transaction, and customers who enter in one
CHUNK = 1000
#: how long after it was made a hit may still let its customer enter: evaluations commit late
LATE = dt.timedelta(days=1)
#: steps that can be done yet
DOABLE = (Contact, Wait, Branch, Split, TagStep, End)
#: how far what was told is looked at twice: it may have been committed late
OVERLAP = dt.timedelta(minutes=1)
#: when to look again whether a contact was sent
SENDING = dt.timedelta(seconds=5)


def work(now: dt.datetime | None = None) -> int:
    """Let customers enter and do every step that is due, committing as it goes. Return how many."""
    moment = now or clock.now()
    for journey_id in _running():
        _enter(journey_id, moment)
    total = 0
    while done := _move(moment):
        total += done
    return total


def due(now: dt.datetime) -> bool:
    """Whether there is work for a worker."""
    waiting = select(JourneyStep.id).where(_is_due(now)).limit(1)
    return bool(_running()) or db.session.scalar(waiting) is not None


def _running() -> Sequence[int]:
    in_force = (Journey.status == RuleStatus.ACTIVE, Journey.active_version_id.is_not(None))
    return db.session.scalars(select(Journey.id).where(*in_force).order_by(Journey.id)).all()


def _is_due(now: dt.datetime) -> Any:
    return and_(JourneyStep.status == JourneyStepStatus.WAITING, JourneyStep.next_at <= now)


# -- entering -----------------------------------------------------------------------------------------


def _enter(journey_id: int, now: dt.datetime) -> None:
    """Let the customers of new hits enter. Commits."""
    locked = select(Journey).where(Journey.id == journey_id).with_for_update(skip_locked=True)
    journey = db.session.scalar(locked.execution_options(populate_existing=True))
    if journey is None or journey.active_version is None:
        db.session.rollback()
        return
    definition = journey_def(journey.active_version)
    if isinstance(definition.trigger, HitTrigger) and can_run(definition):
        since = max(journey.active_version.activated_at or now, (journey.entered_until or now) - LATE)
        for hits in _chunks(_new_hits(journey, definition.trigger, since, now)):
            _enrol(journey, definition.reentry, hits)
    _wake(journey, now)
    journey.entered_until = now
    db.session.commit()


def _wake(journey: Journey, now: dt.datetime) -> None:
    """Look at once at those who wait and have answered, or bought, since the last time."""
    since = (journey.entered_until or now) - OVERLAP
    contact, mine = aliased(JourneyStep), aliased(JourneyEnrolment)
    answered = (
        select(contact.enrolment_id)
        .join(OutreachEvent, OutreachEvent.outreach_id == contact.outreach_id)
        .where(OutreachEvent.received_at >= since, OutreachEvent.outcome.in_(ANSWERED))
    )
    bought = (
        select(mine.id)
        .join(Outcome, Outcome.lead_id == mine.lead_id)
        .where(Outcome.told_at >= since, mine.status == EnrolmentStatus.UNDER_WAY)
    )
    db.session.execute(
        update(JourneyStep)
        .where(
            JourneyStep.enrolment_id.in_(answered.union(bought)),
            JourneyStep.enrolment_id == JourneyEnrolment.id,
            JourneyEnrolment.journey_id == journey.id,
            JourneyStep.status == JourneyStepStatus.WAITING,
            JourneyStep.next_at > now,
            JourneyStep.outreach_id.is_(None),
        )
        .values(next_at=now),
        execution_options={"synchronize_session": False},
    )


def can_run(definition: JourneyDef) -> bool:
    """Whether every step of a journey can be done yet; the others can be simulated only."""
    return all(isinstance(step, DOABLE) for step in definition.steps)


def _new_hits(
    journey: Journey, trigger: HitTrigger, since: dt.datetime, now: dt.datetime
) -> list[tuple[int, int, dt.datetime]]:
    entered = exists().where(JourneyEnrolment.journey_id == journey.id, JourneyEnrolment.hit_id == Hit.id)
    query = select(Hit.lead_id, Hit.id, Hit.created_at).where(
        *(Hit.created_at >= since, Hit.created_at <= now, Hit.status != HitStatus.WITHDRAWN, ~entered)
    )
    if trigger.rules:
        query = query.join(Rule, Rule.id == Hit.rule_id).where(Rule.code.in_(trigger.rules))
    if trigger.grades:
        query = query.where(Hit.grade.in_(trigger.grades))
    return list(db.session.execute(query.order_by(Hit.lead_id, Hit.created_at, Hit.id)).tuples())


def _chunks(rows: list[Any]) -> list[list[Any]]:
    return [rows[first : first + CHUNK] for first in range(0, len(rows), CHUNK)]


def _enrol(journey: Journey, reentry: Reentry | str, hits: list[tuple[int, int, dt.datetime]]) -> None:
    """Enrol the customers of hits who may enter at the moment of theirs."""
    ready = _ready(journey, reentry, [lead for lead, _hit, _at in hits])
    version = journey.active_version_id
    rows = []
    for lead, hit, at in hits:
        moment = at.replace(microsecond=0)
        if lead in ready and (ready[lead] is None or moment < ready[lead]):  # type: ignore[operator]
            continue
        ready[lead] = None
        about = {"journey_id": journey.id, "version_id": version, "lead_id": lead, "hit_id": hit}
        rows.append({**about, "entered_at": moment})
    if not rows:
        return
    made = insert(JourneyEnrolment).values(rows).returning(JourneyEnrolment.id, JourneyEnrolment.entered_at)
    first = journey_def(journey.active_version).steps[0].id  # type: ignore[arg-type]
    steps = [
        {"enrolment_id": key, "number": 1, "step": first, "due_at": at, "next_at": at}
        for key, at in db.session.execute(made).tuples()
    ]
    db.session.execute(insert(JourneyStep), steps)


def _ready(journey: Journey, reentry: Reentry | str, leads: list[int]) -> dict[int, dt.datetime | None]:
    """Return when leads who entered before may enter again, None for never or not yet."""
    query = (
        select(
            JourneyEnrolment.lead_id,
            func.max(JourneyEnrolment.entered_at),
            func.max(JourneyEnrolment.ended_at),
            func.bool_or(JourneyEnrolment.ended_at.is_(None)),
        )
        .where(JourneyEnrolment.journey_id == journey.id, JourneyEnrolment.lead_id == func.any(leads))
        .group_by(JourneyEnrolment.lead_id)
    )
    zone, found = current_settings().zone, dict[int, dt.datetime | None]()
    for lead, entered, ended, is_in in db.session.execute(query).tuples():
        found[lead] = None
        if isinstance(reentry, Reentry) and not is_in:
            local = entered.astimezone(zone).replace(tzinfo=None) + dt.timedelta(days=reentry.after_days)
            found[lead] = max(local.replace(tzinfo=zone).astimezone(dt.UTC), ended)
    return found


# -- moving -------------------------------------------------------------------------------------------


def _move(now: dt.datetime) -> int:
    """Decide the steps that are due longest, and commit. Return their number."""
    query = (
        select(JourneyStep)
        .join(JourneyEnrolment, JourneyEnrolment.id == JourneyStep.enrolment_id)
        .join(Journey, Journey.id == JourneyEnrolment.journey_id)
        .options(contains_eager(JourneyStep.enrolment))
        .where(_is_due(now), Journey.status == RuleStatus.ACTIVE)
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
    due_at = np.array([seconds_of(row.due_at) for row in rows], np.int64)
    batch = Batch.starting(plan, world, np.arange(len(rows)), due_at)
    moves = advance(plan, place, _answered(batch, rows), world, until, world.openings.began(until))
    if isinstance(step, TagStep):
        _tag(step, [row for row, status in zip(rows, moves.status, strict=True) if status == DONE])
    wanted: dict[int, Wanted] = {}
    for number, row in enumerate(rows):
        at = _moment(moves.at[number])
        if moves.status[number] == WAITING:
            row.next_at = at
        elif moves.status[number] == DONE and isinstance(step, Contact):
            row.done_at, row.next_at = at, now
            wanted[row.id] = Wanted(row.enrolment.lead_id, row.enrolment.hit_id or 0, row.number)
        else:
            word = plan.words[moves.why[number]]
            _finish(row, int(moves.status[number]), at, word, plan, int(moves.way[number]))
    if wanted and isinstance(step, Contact):
        version = db.session.get_one(JourneyVersion, version_id)
        queued = for_journeys.queue(version, step.id, step.channel, step.template, [*wanted.values()], now)
        for row in rows:
            if row.id in wanted:
                row.outreach_id = queued[wanted[row.id]]


def _tag(step: TagStep, rows: Sequence[JourneyStep]) -> None:
    """Add and remove tags, named by code or name."""
    ids = [row.enrolment.lead_id for row in rows]
    leads = db.session.scalars(select(Lead).where(Lead.id == func.any(ids))).all()
    if not leads:
        return
    for names, change in ((step.add, tags.add_tag), (step.remove, tags.remove_tag)):
        for tag in db.session.scalars(select(Tag).where(or_(Tag.code.in_(names), Tag.name.in_(names)))):
            change(db.session(), leads, tag)


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
