"""Names of people, by their names for log-in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select

from app.access.scope import visible_to
from app.extensions import db
from app.models import Staff


def full_names(usernames: Iterable[str]) -> Mapping[str, str]:
    """Return the full name of each person among some names for log-in; systems and former users have none."""
    query = select(Staff).where(Staff.username.in_(set(usernames)))
    return {each.username: each.get_full_name() for each in db.session.scalars(query)}


def people_visible_to(user: Any, most: int) -> list[Staff]:
    """Return the people whom a user may see, up to ``most``."""
    return list(db.session.scalars(select(Staff).where(visible_to(user, Staff)).limit(most)))
