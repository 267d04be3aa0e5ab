"""Which reminders a person also gets by e-mail."""

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
#: what can be mailed: tests of a schedule are for the screen
KINDS = ("hits", "assigned", "due", "escalated", "approval", "decided", "job", "system")
DAILY_AT = dt.time(8, 30)


def choice_of(person: Staff) -> ReminderChoice:
    """What the person chose, nothing by e-mail while they have not; not to be changed."""
    return db.session.get(ReminderChoice, person.id) or ReminderChoice(
        person_id=person.id, kinds={}, daily_at=DAILY_AT
    )


def offered(person: Staff) -> list[str]:
    """The kinds that can ring for the person at all, by what they may do."""
    rings = {
        "assigned": works_hits(person),
        "due": works_hits(person),
        "escalated": supervises(person),
        "approval": holds(person, *DECIDE),
        "system": any(holds(person, *right) for right in KEEPERS),
    }
    return [kind for kind in KINDS if rings.get(kind, True)]


def choose(person: Staff, kinds: dict[str, str], daily_at: dt.time, now: dt.datetime) -> None:
    """Keep a person's choice: ``{kind: AT_ONCE | DAILY}``; kinds left out don't go. Does not commit.

    What rang before is not mailed. A daily mail whose time has passed today begins tomorrow. Raises
    DomainError for kinds by e-mail while the person's record has no valid address.
    """
    if not set(kinds) <= set(KINDS) or not set(kinds.values()) <= set(HOW):
        raise DomainError("There is no such kind of reminder.")
    if kinds and not mailer.is_address(person.email or ""):
        raise DomainError(
            "Your record has no valid e-mail address (“%(address)s”). Ask an administrator to correct it.",
            address=person.email or "",
        )
    choice = db.session.get(ReminderChoice, person.id)
    if choice is None:
        choice = ReminderChoice(person_id=person.id)
        db.session.add(choice)
    local = now.astimezone(current_app.config["SETTINGS"].zone)
    choice.kinds, choice.daily_at, choice.since = kinds, daily_at, now
    choice.last_daily_on = local.date() if local.time() >= daily_at else None
    db.session.flush()
