"""What a person has to come back to, what is new for them, and what nobody came back to."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, Subquery, and_, exists, func, or_, select, text

from app.access.scope import hits_visible_to, reaches
from app.extensions import db
from app.hits.settings import work_setting
from app.hits.sql import SQL
from app.hits.steps import OPEN, SYSTEM, midnight
from app.jobs.locks import Lock, try_lock
from app.lib.clock import today
from app.models import Hit, HitEvent, HitStatus, Staff

#: days ahead that count as soon
SOON_DAYS = 7


def mine(person: Staff) -> ColumnElement[bool]:
    """Criterion on Hit: the person's open hits."""
    return and_(Hit.owner_id == person.id, Hit.status.in_(OPEN))


def overdue(day: dt.date) -> ColumnElement[bool]:
    """Criterion on Hit: open, somebody's, and its next date lies before the day."""
    return and_(Hit.owner_id.is_not(None), Hit.status.in_(OPEN), Hit.next_on < day)


def unclaimed() -> ColumnElement[bool]:
    """Criterion on Hit: waiting and nobody's, and its lead may be contacted."""
    return and_(
        Hit.owner_id.is_(None),
        Hit.status == HitStatus.WAITING,
        Hit.opted_out.is_(False),
        Hit.holdout.is_(False),
    )


def escalated() -> ColumnElement[bool]:
    """Criterion on Hit: shown to the managers because nobody came back to it."""
    return and_(Hit.escalated_at.is_not(None), Hit.status.in_(OPEN))


def due(person: Staff, day: dt.date) -> Select[tuple[Hit]]:
    """The person's open hits whose next date is the day or lies before it, the longest waiting first."""
    return (
        select(Hit)
        .where(mine(person), Hit.next_on <= day, hits_visible_to(person))
        .order_by(Hit.next_on, Hit.grade, Hit.id)
    )


def given_on(person: Staff, day: dt.date) -> ColumnElement[bool]:
    """Criterion on Hit: the person's, and given to them by somebody else on the day."""
    return and_(
        Hit.owner_id == person.id,
        exists().where(HitEvent.hit_id == Hit.id, HitEvent.owner == person.username, *_given(day)),
    )


def _given(day: dt.date) -> tuple[ColumnElement[bool], ...]:
    return (
        HitEvent.kind == "assign",
        HitEvent.person != HitEvent.owner,
        HitEvent.at >= midnight(day),
        HitEvent.at < midnight(day + dt.timedelta(days=1)),
    )


class Heap(NamedTuple):
    """Hits of one person: how many, and a number that grows whenever more come."""

    person_id: int
    n: int
    mark: int


def given_by_person(day: dt.date) -> list[Heap]:
    """For everybody whom somebody else gave hits on the day: those within reach that still wait."""
    some = (
        select(
            Staff.id.label("person"),
            Hit.branch_id.label("branch"),
            func.count(Hit.id.distinct()).label("n"),
            func.max(HitEvent.id).label("mark"),
        )
        .join(Hit, Hit.id == HitEvent.hit_id)
        .join(Staff, and_(Staff.id == Hit.owner_id, Staff.username == HitEvent.owner))
        .where(*_given(day), Hit.live, Hit.status == HitStatus.WAITING, Staff.active.is_(True))
        .group_by(Staff.id, Hit.branch_id)
        .subquery()
    )
    return _heaps(some)


def due_by_person(day: dt.date) -> list[Heap]:
    """For everybody who has hits to come back to by the day: those within reach.

    The mark is 0 while all of them were worked on that very day: nothing that their person doesn't know.
    """
    worked = exists().where(
        HitEvent.hit_id == Hit.id, HitEvent.at >= midnight(day), HitEvent.person != SYSTEM
    )
    some = (
        select(
            Hit.owner_id.label("person"),
            Hit.branch_id.label("branch"),
            func.count().label("n"),
            func.count().filter(~worked).label("mark"),
        )
        .join(Staff, Staff.id == Hit.owner_id)
        .where(Hit.status.in_(OPEN), Hit.live, Hit.next_on <= day, Staff.active.is_(True))
        .group_by(Hit.owner_id, Hit.branch_id)
        .subquery()
    )
    return _heaps(some)


def _heaps(some: Subquery) -> list[Heap]:
    """One heap a person, of the branches that the person may reach."""
    query = (
        select(some.c.person, func.sum(some.c.n), func.max(some.c.mark))
        .where(reaches(some.c.person, some.c.branch))
        .group_by(some.c.person)
        .order_by(some.c.person)
    )
    return [Heap(person, int(n), int(mark)) for person, n, mark in db.session.execute(query).tuples()]


def last_escalation() -> tuple[int, dt.datetime] | None:
    """How many hits are shown to the managers, and when the last of them came; None when there is none."""
    query = select(func.count(), func.max(Hit.escalated_at)).where(escalated(), Hit.live)
    count, last = db.session.execute(query).one()
    return (count, last) if count else None


def new_since(person: Staff, moment: dt.datetime) -> int:
    """How many hits that the person sees and could claim, or was given by somebody, came after the moment."""
    came = or_(
        and_(Hit.created_at > moment, unclaimed()),
        and_(mine(person), Hit.claimed_at > moment, Hit.status == HitStatus.WAITING),
    )
    query = select(func.count()).select_from(Hit).where(came, hits_visible_to(person))
    return db.session.scalar(query) or 0


def escalate(now: dt.datetime) -> int:
    """Mark hits that nobody came back to within the days that are set; how many. Commits.

    What the ticker calls; a second one at the same time passes.
    """
    if not try_lock(db.session(), Lock.ESCALATION):
        db.session.rollback()
        return 0
    last = today(now) - dt.timedelta(days=work_setting().overdue_days)
    values = {"now": now, "last": last, "system": SYSTEM}
    count = db.session.execute(text(SQL["escalate"]), values).rowcount  # type: ignore[attr-defined]
    db.session.commit()
    return int(count)
