"""Filters of leads and of the do-not-disturb list that belong to no column."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, or_, select

from app.errors import DomainError
from app.extensions import db
from app.leads import suppression, tags
from app.lib.clock import today
from app.models import Lead, LeadTag, Suppression


def tagged(user: Any, text: str) -> ColumnElement[bool]:
    """Return the leads with a tag. Raises DomainError when there is no such tag."""
    tag = tags.tag_of(db.session, text)
    return Lead.id.in_(select(LeadTag.lead_id).where(LeadTag.tag_id == tag.id))


def in_state(user: Any, text: str) -> ColumnElement[bool]:
    """Return the entries in force today, expired, or taken off by a person. Raises DomainError."""
    holds = suppression.in_force(today())
    by_person = Suppression.removed_by != suppression.SYSTEM
    states = {
        "in_force": holds,
        "expired": ~holds & or_(Suppression.removed_at.is_(None), ~by_person),
        "removed": Suppression.removed_at.is_not(None) & by_person,
    }
    if text not in states:
        raise DomainError("There is no such state: %(state)s", state=text[:20])
    return states[text]
