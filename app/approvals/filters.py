"""Filters of requests for approval that belong to no column."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, select, true

from app.access.rights import holds
from app.approvals.kinds import kind_named
from app.approvals.requests import DECIDE
from app.errors import DomainError
from app.extensions import db
from app.models import Approval, ApprovalStatus

#: the choices of whose turn it is
MINE, OWN, ALL = "me", "own", "all"


def by_turn(user: Any, text: str) -> ColumnElement[bool]:
    """Return a criterion: requests that wait for a user, that the user made, or all. Raises DomainError."""
    if text not in (MINE, OWN, ALL):
        raise DomainError("There is no such state: %(state)s", state=text[:20])
    if text == OWN:
        return Approval.requested_by_id == user.id
    return waits_for(user) if text == MINE else true()


def waits_for(user: Any) -> ColumnElement[bool]:
    """Return a criterion: waiting requests of which the user may decide, or all for who decides nothing.

    Accounts under which one person could act are told apart only when a request is opened.
    """
    waiting = Approval.status == ApprovalStatus.WAITING
    if not holds(user, *DECIDE):
        return waiting
    kinds = db.session.scalars(select(Approval.kind).where(waiting).distinct()).all()
    return and_(
        waiting,
        Approval.requested_by_id.is_distinct_from(user.id),
        ~Approval.makers.any(user.username),
        Approval.kind.in_([kind for kind in kinds if holds(user, *kind_named(kind).permission)]),
    )
