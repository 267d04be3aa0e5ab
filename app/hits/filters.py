"""Special filters of hits and customers (work, source, branch, assignment, push) and leads (best grade)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, not_, select, true

from app.access.scope import visible_to
from app.errors import DomainError
from app.extensions import db
from app.hits import due
from app.hits.by_branch import NONE, OWN
from app.hits.owner import OPEN
from app.lib import clock
from app.lib.row_id import row_id
from app.models import Branch, Customer, CustomerState, Hit, HitEvent, HitStatus, Lead, PushHit

GRADES = ("A", "B", "C", "D")
#: the choice of leads without any hit
NO_HIT = "none"


#: the choice of customers or hits in any state, and of hits but those that nobody may contact
ANY_STATE = "all"
CONTACTABLE = "contactable"


def customers_by_work(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for customers in a state of work. Raises DomainError for an unknown state."""
    day = clock.today()
    states: dict[str, Callable[[], ColumnElement[bool]]] = {
        "mine": lambda: due.mine(user),
        "mine_calls": lambda: and_(due.mine(user), Customer.call_back_at <= clock.now() + due.CALL_AHEAD),
        "mine_untouched": lambda: and_(due.mine(user), Customer.status == HitStatus.WAITING),
        "mine_due": lambda: and_(due.mine(user), Customer.next_on <= day),
        "mine_blocked": lambda: and_(Customer.owner_id == user.id, Customer.state == CustomerState.BLOCKED),
        "asked": lambda: and_(Customer.owner_id == user.id, Customer.asked_by_id.is_not(None)),
        "unclaimed": due.unclaimed,
        "overdue": lambda: due.overdue(day),
        "escalated": due.escalated,
        "talked_today": lambda: due.worked_today(user, HitEvent.result_id.is_not(None)),
        "converted_today": lambda: due.worked_today(user, HitEvent.kind == "convert"),
        "closed_today": lambda: due.worked_today(user, HitEvent.kind == "close"),
    }
    if text not in states:
        raise DomainError("Unknown work status: %(name)s", name=text[:20])
    return states[text]()


def in_state(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for customers who can be worked, whom nobody may contact, or who are done."""
    if text == ANY_STATE:
        return true()
    if text not in tuple(CustomerState):
        raise DomainError("Unknown work status: %(name)s", name=text[:20])
    return Customer.state == text


def hit_in_state(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for hits with or without open ones that nobody may contact. Raises DomainError."""
    blocked = and_(Hit.status.in_(OPEN), Hit.barred())
    states = {ANY_STATE: true(), CustomerState.BLOCKED: blocked, CONTACTABLE: not_(blocked)}
    if text not in states:
        raise DomainError("Unknown work status: %(name)s", name=text[:20])
    return states[text]


def by_rule(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for customers with an open hit of a rule, or with any when none is open."""
    wanted = Hit.status.in_(OPEN) | (Customer.state == CustomerState.DONE)
    return exists().where(Hit.lead_id == Customer.id, Hit.rule_id == row_id(text), Hit.live, wanted)


def customers_in_branch(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for customers at or below a branch, or without one. Raises DomainError."""
    return _in_branch(Customer.branch_id, user, text)


def customers_of_source(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for customers who came from a source, or from none."""
    return Customer.source == ("" if text == NONE else text)


def customers_assigned_on(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for customers assigned to the user by others on a date. Raises DomainError."""
    return due.assigned_on(user, _date(text))


def state_of_work(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for open hits of customers in a state of work. Raises DomainError.

    Unclaimed are hits that wait and may be worked, contacted those that wait no more.
    """
    if text == "contacted":
        return Hit.status != HitStatus.WAITING
    if text == "unclaimed":
        waits = (Hit.owner_id.is_(None), Hit.status == HitStatus.WAITING)
        return and_(*waits, not_(Hit.barred()))
    customers = select(Customer.id).where(customers_by_work(user, text))
    return and_(Hit.status.in_(OPEN), Hit.lead_id.in_(customers))


def of_source(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for hits whose lead came from a source, or from none."""
    return Hit.source == ("" if text == NONE else text)


def in_branch(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for hits of leads at or below a branch, or without one. Raises DomainError."""
    return _in_branch(Hit.branch_id, user, text)


def _in_branch(column: Any, user: Any, text: str) -> ColumnElement[bool]:
    if text == NONE:
        none: ColumnElement[bool] = column == 0
        return none
    if text.startswith(OWN):
        own: ColumnElement[bool] = column == branch_of(user, text.removeprefix(OWN)).id
        return own
    path = branch_of(user, text).path
    below: ColumnElement[bool] = column.in_(
        select(Branch.id).where(Branch.path.startswith(path, autoescape=True))
    )
    return below


def branch_of(user: Any, text: str) -> Branch:
    """Return the branch with the id in ``text``. Raises DomainError when the user sees no such branch."""
    branch = db.session.scalar(select(Branch).where(Branch.id == row_id(text), visible_to(user, Branch)))
    if branch is None:
        raise DomainError("There is no such branch, or you don't see it.")
    return branch


def assigned_on(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for hits of customers assigned to the user on a date. Raises DomainError."""
    return Hit.lead_id.in_(select(Customer.id).where(due.assigned_on(user, _date(text))))


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise DomainError("“%(text)s” is not a date; write it like 2026-11-22.", text=text[:20]) from None


def of_push(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for hits sent with a push. Raises DomainError unless ``text`` is a number."""
    key = row_id(text)
    if key is None:
        raise DomainError("There is no such push: %(push)s", push=text[:20])
    return Hit.id.in_(select(PushHit.hit_id).where(PushHit.push_id == key))


def best_grade(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for leads whose best hit has a grade, or that have none. Raises DomainError."""
    if text != NO_HIT and text not in GRADES:
        raise DomainError("There is no such grade: %(grade)s", grade=text[:20])
    has_hit = exists().where(Hit.lead_id == Lead.id, Hit.status != HitStatus.WITHDRAWN)
    if text == NO_HIT:
        return ~has_hit
    return and_(has_hit.where(Hit.grade == text), ~has_hit.where(Hit.grade < text))
