"""Filters of hits by what the figures say of them: stage, rule version, first contact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_

from app.effect import reach
from app.effect.reach import Stage
from app.errors import DomainError
from app.models import Hit
from app.rules import conversions


def reached(user: Any, text: str) -> ColumnElement[bool]:
    """Return the hits of the funnel that reached a stage or a later one. Raises DomainError."""
    if text not in set(Stage):
        raise DomainError("There is no such stage: %(name)s", name=text[:20])
    return reach.reached(Stage(text))


def by_success(user: Any, text: str) -> ColumnElement[bool]:
    """Return the hits by conversion and claim. Raises DomainError."""
    criteria: dict[str, Callable[[], ColumnElement[bool]]] = {
        "converted": conversions.converted,
        "claimed": conversions.claimed,
        "confirmed": lambda: and_(conversions.claimed(), Hit.converted.is_(True)),
        "unconfirmed": lambda: and_(conversions.claimed(), Hit.converted.is_not(True)),
    }
    if text not in criteria:
        raise DomainError("There is no such stage: %(name)s", name=text[:20])
    return criteria[text]()


def of_version(user: Any, text: str) -> ColumnElement[bool]:
    """Return the hits that a rule version made. Raises DomainError."""
    return Hit.version_id == reach.parse_id(text)


def first_channel(user: Any, text: str) -> ColumnElement[bool]:
    """Return the hits first contacted by a channel. Raises DomainError."""
    return reach.first_contact(channel=text)


def first_template(user: Any, text: str) -> ColumnElement[bool]:
    """Return the hits first contacted with a template version. Raises DomainError."""
    return reach.first_contact(template=text)


def first_hour(user: Any, text: str) -> ColumnElement[bool]:
    """Return the hits first contacted in a band of hours. Raises DomainError."""
    return reach.first_contact(hour=text)
