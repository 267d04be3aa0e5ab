"""The reminders that a person has chosen to get by e-mail."""

from __future__ import annotations

import datetime as dt

from flask import current_app
from flask_babel import lazy_gettext

from app.access.rights import holds
from app.access.scope import supervises, works_hits
from app.approvals.requests import DECIDE
from app.errors import DomainError
from app.extensions import db
from app.lib import mailer
from app.models import ReminderChoice, Staff
from app.reminders.failures import KEEPERS

AT_ONCE, DAILY = "at_once", "daily"
HOW = {
    AT_ONCE: lazy_gettext("At once"),
    DAILY: lazy_gettext("In the daily mail"),
}
#: kinds that can be mailed; test pushes appear on the screen only
KINDS = (
    *("hits", "assigned", "due", "call_back", "asked", "escalated"),
    *("approval", "decided", "device", "job", "system"),
)
DAILY_AT = dt.time(8, 30)


def choice_of(user: Staff) -> ReminderChoice:
    """Return the user's choice, by default no e-mail. The result must not be changed."""
    return db.session.get(ReminderChoice, user.id) or ReminderChoice(
        person_id=user.id, kinds={}, daily_at=DAILY_AT
    )


def offered(user: Staff) -> list[str]:
    """Return the kinds that can ring for the user, given their permissions."""
    rings = {
        "assigned": works_hits(user),
        "due": works_hits(user),
        "call_back": works_hits(user),
        "asked": works_hits(user),
        "escalated": supervises(user),
        "approval": holds(user, *DECIDE),
        "system": any(holds(user, *right) for right in KEEPERS),
    }
    return [kind for kind in KINDS if rings.get(kind, True)]


def choose(user: Staff, kinds: dict[str, str], daily_at: dt.time, now: dt.datetime) -> None:
    """Store a user's choice ``{kind: AT_ONCE | DAILY}``; kinds left out are not mailed. Does not commit.

    Earlier reminders are not mailed. A daily mail whose time has passed today starts tomorrow. Raises
    DomainError for an unknown kind, and for any kind when the user has no valid e-mail address.
    """
    if not set(kinds) <= set(KINDS) or not set(kinds.values()) <= set(HOW):
        raise DomainError("There is no such kind of reminder.")
    if kinds and not mailer.is_address(user.email or ""):
        raise DomainError(
            "Your record has no valid e-mail address (“%(address)s”). Ask an administrator to correct it.",
            address=user.email or "",
        )
    choice = db.session.get(ReminderChoice, user.id)
    if choice is None:
        choice = ReminderChoice(person_id=user.id)
        db.session.add(choice)
    local = now.astimezone(current_app.config["SETTINGS"].zone)
    choice.kinds, choice.daily_at, choice.since = kinds, daily_at, now
    choice.last_daily_on = local.date() if local.time() >= daily_at else None
    db.session.flush()
