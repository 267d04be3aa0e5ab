"""Names of people, by their names for log-in, each read once an application context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import g
from flask_babel import lazy_gettext
from sqlalchemy import select

from app.access.scope import visible_to
from app.audit.actor import SETUP, SYSTEM
from app.extensions import db
from app.models import Staff

#: the names under which the program itself acts
PROGRAMS: dict[str, Any] = {
    SYSTEM: lazy_gettext("the system"),
    SETUP: lazy_gettext("the installation"),
    "coldstart": lazy_gettext("Presets"),
    "demo": lazy_gettext("Demo data"),
    "sandbox": lazy_gettext("Sandbox gateway"),
}


def full_names(usernames: Iterable[str]) -> Mapping[str, str]:
    """Return the full name of each person among some names for log-in; systems and former users have none."""
    query = select(Staff).where(Staff.username.in_(set(usernames)))
    return {each.username: each.get_full_name() for each in db.session.scalars(query)}


def load(usernames: Iterable[str]) -> None:
    """Read the names of people at once, and remember them."""
    known: dict[str, str] = g.setdefault("people", {})
    missing = {name for name in usernames if name and name not in known}
    if missing:
        known |= dict.fromkeys(missing, "") | dict(full_names(missing))


def name_of(username: str) -> str:
    """Return the name of a person or program, the name for log-in of anybody else."""
    load([username])
    return str(g.people.get(username) or PROGRAMS.get(username, username))


def people_visible_to(user: Any, most: int) -> list[Staff]:
    """Return the people whom a user may see, up to ``most``."""
    return list(db.session.scalars(select(Staff).where(visible_to(user, Staff)).limit(most)))
