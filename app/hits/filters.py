"""Special filters of hits (work state, source, branch, assignment, push) and leads (best grade)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, select

from app.access.scope import visible_to
from app.errors import DomainError
from app.extensions import db
from app.hits import due
from app.hits.by_branch import NONE, OWN
from app.lib import clock
from app.lib.row_id import row_id
from app.models import Branch, Hit, HitStatus, Lead, PushHit

GRADES = ("A", "B", "C", "D")
#: the choice of leads without any hit
NO_HIT = "none"


def state_of_work(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for hits in a state of work. Raises DomainError for an unknown state."""
    day = clock.today()
    states: dict[str, Callable[[], ColumnElement[bool]]] = {
        "mine": lambda: due.mine(user),
        "mine_due": lambda: and_(due.mine(user), Hit.next_on <= day),
        "unclaimed": due.unclaimed,
        "overdue": lambda: due.overdue(day),
        "escalated": due.escalated,
        "contacted": lambda: Hit.status != HitStatus.WAITING,
    }
    if text not in states:
        raise DomainError("Unknown work status: %(name)s", name=text[:20])
    return states[text]()


def of_source(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for hits whose lead came from a source, or from none."""
    return Hit.source == ("" if text == NONE else text)


def in_branch(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for hits of leads at or below a branch, or without one. Raises DomainError."""
    if text == NONE:
        return Hit.branch_id == 0
    if text.startswith(OWN):
        return Hit.branch_id == branch_of(user, text.removeprefix(OWN)).id
    path = branch_of(user, text).path
    return Hit.branch_id.in_(select(Branch.id).where(Branch.path.startswith(path, autoescape=True)))


def branch_of(user: Any, text: str) -> Branch:
    """Return the branch with the id in ``text``. Raises DomainError when the user sees no such branch."""
    branch = db.session.scalar(select(Branch).where(Branch.id == row_id(text), visible_to(user, Branch)))
    if branch is None:
        raise DomainError("There is no such branch, or you don't see it.")
    return branch


def assigned_on(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for hits assigned to the user by others on a date. Raises DomainError."""
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise DomainError("“%(text)s” is not a date; write it like 2026-11-22.", text=text[:20]) from None
    return due.assigned_on(user, day)


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
    has_hit = exists().where(Hit.lead_id == Lead.id)
    if text == NO_HIT:
        return ~has_hit
    return and_(has_hit.where(Hit.grade == text), ~has_hit.where(Hit.grade < text))
