"""Filters of leads and of the do-not-disturb list that belong to no single column."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select

from app.errors import DomainError
from app.extensions import db
from app.leads import finding, suppression, tags
from app.lib.clock import today
from app.models import Lead, LeadTag, Suppression


def named(user: Any, text: str) -> ColumnElement[bool]:
    """Return a criterion: leads whose names begin with a text, or which have it as their number."""
    return finding.named(text)


def tagged(text: str) -> Select[int]:
    """Return the query of the ids of leads with a tag. Raises DomainError when there is no such tag."""
    return select(LeadTag.lead_id).where(LeadTag.tag_id == tags.tag_of(db.session, text).id)


def with_tag(user: Any, text: str) -> ColumnElement[bool]:
    """Return a criterion: leads with a tag. Raises DomainError when there is no such tag."""
    return Lead.id.in_(tagged(text))


def in_state(user: Any, text: str) -> ColumnElement[bool]:
    """Return a criterion: entries in force, expired or removed by a user.

    Raises DomainError for other states.
    """
    in_force = suppression.in_force(today())
    by_user = Suppression.removed_by != suppression.SYSTEM
    states = {
        "in_force": in_force,
        "expired": ~in_force & or_(Suppression.removed_at.is_(None), ~by_user),
        "removed": Suppression.removed_at.is_not(None) & by_user,
    }
    if text not in states:
        raise DomainError("There is no such state: %(state)s", state=text[:20])
    return states[text]
