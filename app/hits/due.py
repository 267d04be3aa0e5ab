"""Due customers: those of a user, those who are new to them, and escalation of overdue ones."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from flask import current_app
from sqlalchemy import ColumnElement, Subquery, and_, exists, func, select, text

from app.access.scope import reaches
from app.extensions import db
from app.hits.owner import OPEN, SYSTEM
from app.hits.settings import work_setting
from app.hits.sql import SQL
from app.jobs.locks import Lock, try_lock
from app.lib.clock import today
from app.models import Customer, CustomerState, Hit, HitEvent, HitStatus, Lead, Staff

#: an agreed call rings so long before its time, and until it is made, but no longer than this
CALL_AHEAD, CALL_KEPT = dt.timedelta(minutes=5), dt.timedelta(days=3)


def midnight(day: dt.date) -> dt.datetime:
    """Return the moment at which the local date begins."""
    return dt.datetime.combine(day, dt.time(), current_app.config["SETTINGS"].zone)


def workable() -> ColumnElement[bool]:
    """Return the criterion on Customer for customers who have an open hit and may be contacted for it."""
    return Customer.state == CustomerState.OPEN


def mine(user: Staff) -> ColumnElement[bool]:
    """Return the criterion on Customer for the user's customers who may be contacted."""
    return and_(Customer.owner_id == user.id, workable())


def overdue(day: dt.date) -> ColumnElement[bool]:
    """Return the criterion on Customer for owned customers whose next contact lies before the day."""
    return and_(Customer.owner_id.is_not(None), Customer.next_on < day, workable())


def unclaimed() -> ColumnElement[bool]:
    """Return the criterion on Customer for customers whom nobody has and who may be contacted."""
    return and_(Customer.owner_id.is_(None), workable())


def escalated() -> ColumnElement[bool]:
    """Return the criterion on Customer for those escalated to the managers because they were overdue."""
    return and_(Customer.owner_id.is_not(None), Customer.escalated_at.is_not(None))


def worked_today(user: Staff, *which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the criterion on Customer for those with a step of the user today that nobody took back."""
    steps = select(Hit.lead_id).join(HitEvent, HitEvent.hit_id == Hit.id)
    own = (HitEvent.person == user.username, HitEvent.at >= midnight(today()), HitEvent.stands())
    return Customer.id.in_(steps.where(*own, *which))


def assigned_on(user: Staff, day: dt.date) -> ColumnElement[bool]:
    """Return the criterion on Customer for those whom somebody else assigned to the user on the day."""
    event = (
        exists()
        .where(HitEvent.hit_id == Hit.id, HitEvent.owner == user.username, *_assigned(day))
        .where(Hit.lead_id == Customer.id)
    )
    return and_(Customer.owner_id == user.id, event)


def _assigned(day: dt.date) -> tuple[ColumnElement[bool], ...]:
    return (
        HitEvent.kind == "assign",
        HitEvent.person != HitEvent.owner,
        HitEvent.at >= midnight(day),
        HitEvent.at < midnight(day + dt.timedelta(days=1)),
    )


class CustomerGroup(NamedTuple):
    """The customers of one person: their number, and a mark that grows whenever some are added."""

    person_id: int
    n: int
    mark: int


def newly_assigned_groups(day: dt.date) -> list[CustomerGroup]:
    """Group the waiting customers who were assigned by somebody else on the day by their owner.

    Customers outside the owner's row scope are left out.
    """
    by_branch = (
        select(
            Staff.id.label("person"),
            Customer.branch_id.label("branch"),
            func.count(Customer.id.distinct()).label("n"),
            func.max(HitEvent.id).label("mark"),
        )
        .join(Hit, Hit.id == HitEvent.hit_id)
        .join(Customer, Customer.id == Hit.lead_id)
        .join(Staff, and_(Staff.id == Customer.owner_id, Staff.username == HitEvent.owner))
        .where(*_assigned(day), Customer.live, workable(), Hit.status == HitStatus.WAITING)
        .where(Staff.active.is_(True))
        .group_by(Staff.id, Customer.branch_id)
        .subquery()
    )
    return _groups(by_branch)


def due_groups(day: dt.date) -> list[CustomerGroup]:
    """Group the customers who are due on or before the day by their owner.

    Customers outside the owner's row scope are left out. The mark is 0 while somebody worked on all of them
    on that very day, so that their owner already knows about them.
    """
    worked = (
        exists()
        .where(HitEvent.hit_id == Hit.id, HitEvent.at >= midnight(day), HitEvent.person != SYSTEM)
        .where(Hit.lead_id == Customer.id, Hit.status.in_(OPEN))
    )
    by_branch = (
        select(
            Customer.owner_id.label("person"),
            Customer.branch_id.label("branch"),
            func.count().label("n"),
            func.count().filter(~worked).label("mark"),
        )
        .join(Staff, Staff.id == Customer.owner_id)
        .where(workable(), Customer.live, Customer.next_on <= day, Staff.active.is_(True))
        .group_by(Customer.owner_id, Customer.branch_id)
        .subquery()
    )
    return _groups(by_branch)


def _groups(by_branch: Subquery) -> list[CustomerGroup]:
    """Sum the counts by person and branch into one group per person, over branches in their scope."""
    columns = by_branch.c
    query = (
        select(columns.person, func.sum(columns.n), func.max(columns.mark))
        .where(reaches(columns.person, columns.branch))
        .group_by(columns.person)
        .order_by(columns.person)
    )
    return [
        CustomerGroup(person, int(n), int(mark)) for person, n, mark in db.session.execute(query).tuples()
    ]


def call_backs(now: dt.datetime) -> list[tuple[int, int, str, dt.datetime]]:
    """Return owner, customer, lead number and time of the calls agreed with customers that are due now.

    Customers outside the owner's row scope are left out.
    """
    query = (
        select(Customer.owner_id, Customer.id, Lead.lead_no, Customer.call_back_at)
        .join(Lead, Lead.id == Customer.id)
        .join(Staff, Staff.id == Customer.owner_id)
        .where(Customer.call_back_at <= now + CALL_AHEAD, Customer.call_back_at > now - CALL_KEPT)
        .where(workable(), Customer.live, Staff.active, reaches(Customer.owner_id, Customer.branch_id))
        .order_by(Customer.call_back_at, Customer.id)
    )
    return [(owner or 0, key, no, at) for owner, key, no, at in db.session.execute(query).tuples() if at]


def asked_groups() -> list[CustomerGroup]:
    """Group the customers for whom somebody asks by their owner."""
    query = (
        select(Customer.owner_id, func.count(), func.max(Customer.asked_at))
        .where(Customer.owner_id.is_not(None), Customer.asked_by_id.is_not(None), Customer.live)
        .group_by(Customer.owner_id)
        .order_by(Customer.owner_id)
    )
    rows = db.session.execute(query).tuples()
    return [CustomerGroup(person, n, int(last.timestamp())) for person, n, last in rows if person and last]


def last_escalation() -> tuple[int, dt.datetime] | None:
    """Return the number of escalated customers and when the latest was, or None if there is none."""
    query = select(func.count(), func.max(Customer.escalated_at)).where(escalated(), Customer.live)
    count, last = db.session.execute(query).one()
    return (count, last) if count else None


def escalate(now: dt.datetime) -> int:
    """Mark customers who have been overdue for the configured days and commit. Return their number.

    Called by the ticker; a concurrent call does nothing.
    """
    if not try_lock(db.session(), Lock.ESCALATION):
        db.session.rollback()
        return 0
    last = today(now) - dt.timedelta(days=work_setting().overdue_days)
    values = {"now": now, "last": last, "system": SYSTEM}
    count = db.session.execute(text(SQL["escalate"]), values).scalar_one()
    db.session.commit()
    return int(count)
