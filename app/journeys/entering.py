"""Customers who enter journeys, when the events that let them happen are known.

Who could enter, and when, is what a simulation takes too (triggers.py), but that a hit counts from the moment
at which it was made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.orm import aliased

from app.extensions import db
from app.journeys import canary, stops, triggers
from app.journeys.definition import HitTrigger, OutcomeTrigger, Reentry
from app.journeys.past import clock_of
from app.journeys.versions import journey_def
from app.lib import clock
from app.lib.settings import current_settings
from app.lib.wall_clock import seconds_of
from app.models import (
    EnrolmentStatus,
    Hit,
    HitStatus,
    JobRun,
    Journey,
    JourneyEnrolment,
    JourneyStep,
    JourneyStepStatus,
    Outcome,
    OutreachEvent,
    Rule,
)
from app.segments.contacts import ANSWERED

#: customers who enter in one statement
CHUNK = 1000
#: how long after its moment an event may still let its customer enter: it may be known late
LATE = dt.timedelta(days=1)
#: how far what was told is looked at twice: it may have been committed late
OVERLAP = dt.timedelta(minutes=1)

#: what lets a lead enter: the lead, its hit if there is one, and the moment
Event = tuple[int, int | None, dt.datetime]


def enter(journey_id: int, now: dt.datetime) -> None:
    """Let customers enter a journey, and wake those of its customers who answered or bought. Commits."""
    which = select(Journey).where(Journey.id == journey_id, *stops.running())
    locked = which.with_for_update(skip_locked=True)
    journey = db.session.scalar(locked.execution_options(populate_existing=True))
    if journey is None or journey.active_version is None:
        db.session.rollback()
        return
    definition = journey_def(journey.active_version)
    looked = max(filter(None, (journey.entered_until, stops.went_on(journey))), default=now)
    since = max(journey.active_version.activated_at or now, looked - LATE)
    events = _events(journey, definition.trigger, since, now)
    for first in range(0, len(events), CHUNK):
        _enrol(journey, definition.reentry, events[first : first + CHUNK])
    _wake(journey, now)
    journey.entered_until = now
    db.session.commit()


def _events(journey: Journey, trigger: Any, since: dt.datetime, now: dt.datetime) -> Sequence[Event]:
    """Return what has happened since a moment and may let leads enter, by lead and moment.

    An event that let somebody enter may be among them: it is not later than the last time of entering.
    """
    if isinstance(trigger, HitTrigger):
        return _new_hits(journey, trigger, since, now)
    if not _is_news(journey, trigger, now):
        return []
    config, period = current_settings(), (clock.today(since), clock.today(now))
    found = triggers.events(trigger, config, clock_of(config, period), period)
    there = (found.moments >= seconds_of(since)) & (found.moments <= seconds_of(now))
    moments = [dt.datetime.fromtimestamp(each, dt.UTC) for each in found.moments[there].tolist()]
    return [(lead, None, at) for lead, at in zip(found.leads[there].tolist(), moments, strict=True)]


def _is_news(journey: Journey, trigger: Any, now: dt.datetime) -> bool:
    """Whether days may have been added since the last look, or their records: by a T+1 run, or outcomes."""
    if journey.entered_until is None:
        return True
    config, since = current_settings(), journey.entered_until
    begins = dt.datetime.combine(clock.today(now), config.t1_time, config.zone)
    if since < begins <= now or now - since >= LATE:
        return True
    if isinstance(trigger, OutcomeTrigger):
        told = select(Outcome.id).where(Outcome.told_at >= since - OVERLAP)
    else:
        told = select(JobRun.id).where(JobRun.finished_at >= since - OVERLAP)
    return bool(db.session.scalar(select(exists(told))))


def _new_hits(journey: Journey, trigger: HitTrigger, since: dt.datetime, now: dt.datetime) -> Sequence[Event]:
    entered = exists().where(JourneyEnrolment.journey_id == journey.id, JourneyEnrolment.hit_id == Hit.id)
    query = select(Hit.lead_id, Hit.id, Hit.created_at).where(
        *(Hit.created_at >= since, Hit.created_at <= now, Hit.status != HitStatus.WITHDRAWN, ~entered)
    )
    if trigger.rules:
        query = query.join(Rule, Rule.id == Hit.rule_id).where(Rule.code.in_(trigger.rules))
    if trigger.grades:
        query = query.where(Hit.grade.in_(trigger.grades))
    return db.session.execute(query.order_by(Hit.lead_id, Hit.created_at, Hit.id)).tuples().all()  # type: ignore[return-value]


def _enrol(journey: Journey, reentry: Reentry | str, events: Sequence[Event]) -> None:
    """Enrol the customers of events who may enter at the moment of theirs."""
    ready = _ready(journey, reentry, [lead for lead, _hit, _at in events])
    trial, chosen = canary.drawn(journey, [lead for lead, _hit, _at in events])
    versions = {each.id: each for each in (journey.active_version, trial) if each is not None}
    rows = []
    for lead, hit, at in events:
        moment = at.replace(microsecond=0)
        if lead in ready and (ready[lead] is None or moment < ready[lead]):  # type: ignore[operator]
            continue
        ready[lead] = None
        version = trial.id if trial is not None and lead in chosen else journey.active_version_id
        about = {"journey_id": journey.id, "version_id": version, "lead_id": lead, "hit_id": hit}
        rows.append({**about, "entered_at": moment})
    if not rows:
        return
    first = {key: journey_def(each).steps[0].id for key, each in versions.items()}
    made = insert(JourneyEnrolment).returning(
        JourneyEnrolment.id, JourneyEnrolment.entered_at, JourneyEnrolment.version_id
    )
    connection = db.session.connection()
    steps = [
        {"enrolment_id": key, "journey_id": journey.id, "step": first[version], "due_at": at, "next_at": at}
        for key, at, version in connection.execute(made, rows).tuples()
    ]
    connection.execute(insert(JourneyStep).values(number=1), steps)


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
        .values(next_at=func.greatest(now, JourneyEnrolment.not_before)),
        execution_options={"synchronize_session": False},
    )
