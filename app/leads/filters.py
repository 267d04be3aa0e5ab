"""Filters of leads and of the do-not-disturb list that belong to no single column."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, or_, select

from app.errors import DomainError
from app.extensions import db
from app.leads import finding, suppression, tags
from app.lib.clock import today
from app.models import Lead, LeadTag, Suppression


def named(user: Any, text: str) -> ColumnElement[bool]:
    """Return a criterion: leads whose names begin with a text, or which have it as their number."""
    return finding.named(text)


def with_tag(user: Any, text: str) -> ColumnElement[bool]:
    """Return a criterion: leads with a tag. Raises DomainError when there is no such tag."""
    tag = tags.tag_of(db.session, text)
    return Lead.id.in_(select(LeadTag.lead_id).where(LeadTag.tag_id == tag.id))


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
