"""Due hits: follow-ups of a user, hits that are new to them, and escalation of overdue hits."""

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


def mine(user: Staff) -> ColumnElement[bool]:
    """Return the criterion on Hit for the user's open hits."""
    return and_(Hit.owner_id == user.id, Hit.status.in_(OPEN))


def overdue(day: dt.date) -> ColumnElement[bool]:
    """Return the criterion on Hit for open, owned hits whose next date lies before the day."""
    return and_(Hit.owner_id.is_not(None), Hit.status.in_(OPEN), Hit.next_on < day)


def unclaimed() -> ColumnElement[bool]:
    """Return the criterion on Hit for unowned waiting hits whose lead may be contacted."""
    return and_(
        Hit.owner_id.is_(None),
        Hit.status == HitStatus.WAITING,
        Hit.opted_out.is_(False),
        Hit.holdout.is_(False),
    )


def escalated() -> ColumnElement[bool]:
    """Return the criterion on Hit for open hits escalated to the managers because they were overdue."""
    return and_(Hit.escalated_at.is_not(None), Hit.status.in_(OPEN))


def due(user: Staff, day: dt.date) -> Select[tuple[Hit]]:
    """Select the user's open hits that are due on or before the day, longest overdue first."""
    return (
        select(Hit)
        .where(mine(user), Hit.next_on <= day, hits_visible_to(user))
        .order_by(Hit.next_on, Hit.grade, Hit.id)
    )


def assigned_on(user: Staff, day: dt.date) -> ColumnElement[bool]:
    """Return the criterion on Hit for the user's hits that somebody else assigned to them on the day."""
    return and_(
        Hit.owner_id == user.id,
        exists().where(HitEvent.hit_id == Hit.id, HitEvent.owner == user.username, *_assigned(day)),
    )


def _assigned(day: dt.date) -> tuple[ColumnElement[bool], ...]:
    return (
        HitEvent.kind == "assign",
        HitEvent.person != HitEvent.owner,
        HitEvent.at >= midnight(day),
        HitEvent.at < midnight(day + dt.timedelta(days=1)),
    )


class HitGroup(NamedTuple):
    """The hits of one person: their number, and a mark that grows whenever hits are added."""

    person_id: int
    n: int
    mark: int


def newly_assigned_groups(day: dt.date) -> list[HitGroup]:
    """Group the waiting hits that were assigned by somebody else on the day by their owner.

    Hits outside the owner's row scope are left out.
    """
    by_branch = (
        select(
            Staff.id.label("person"),
            Hit.branch_id.label("branch"),
            func.count(Hit.id.distinct()).label("n"),
            func.max(HitEvent.id).label("mark"),
        )
        .join(Hit, Hit.id == HitEvent.hit_id)
        .join(Staff, and_(Staff.id == Hit.owner_id, Staff.username == HitEvent.owner))
        .where(*_assigned(day), Hit.live, Hit.status == HitStatus.WAITING, Staff.active.is_(True))
        .group_by(Staff.id, Hit.branch_id)
        .subquery()
    )
    return _groups(by_branch)


def due_groups(day: dt.date) -> list[HitGroup]:
    """Group the open hits that are due on or before the day by their owner.

    Hits outside the owner's row scope are left out. The mark is 0 while somebody worked on all of them on
    that very day, so that their owner already knows about them.
    """
    worked = exists().where(
        HitEvent.hit_id == Hit.id, HitEvent.at >= midnight(day), HitEvent.person != SYSTEM
    )
    by_branch = (
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
    return _groups(by_branch)


def _groups(by_branch: Subquery) -> list[HitGroup]:
    """Sum the counts by person and branch into one group per person, over branches in their scope."""
    columns = by_branch.c
    query = (
        select(columns.person, func.sum(columns.n), func.max(columns.mark))
        .where(reaches(columns.person, columns.branch))
        .group_by(columns.person)
        .order_by(columns.person)
    )
    return [HitGroup(person, int(n), int(mark)) for person, n, mark in db.session.execute(query).tuples()]


def last_escalation() -> tuple[int, dt.datetime] | None:
    """Return the number of escalated hits and when the latest was escalated, or None if there is none."""
    query = select(func.count(), func.max(Hit.escalated_at)).where(escalated(), Hit.live)
    count, last = db.session.execute(query).one()
    return (count, last) if count else None


def new_since(user: Staff, moment: dt.datetime) -> int:
    """Count the visible hits that the user could claim, or was assigned, since the moment."""
    is_new = or_(
        and_(Hit.created_at > moment, unclaimed()),
        and_(mine(user), Hit.claimed_at > moment, Hit.status == HitStatus.WAITING),
    )
    query = select(func.count()).select_from(Hit).where(is_new, hits_visible_to(user))
    return db.session.scalar(query) or 0


def escalate(now: dt.datetime) -> int:
    """Mark hits that have been overdue for the configured days and commit. Return their number.

    Called by the ticker; a concurrent call does nothing.
    """
    if not try_lock(db.session(), Lock.ESCALATION):
        db.session.rollback()
        return 0
    last = today(now) - dt.timedelta(days=work_setting().overdue_days)
    values = {"now": now, "last": last, "system": SYSTEM}
    count = db.session.execute(text(SQL["escalate"]), values).rowcount  # type: ignore[attr-defined]
    db.session.commit()
    return int(count)
