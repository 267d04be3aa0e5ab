"""Names of people in lists, filters and time lines, with the name for log-in on hover."""

from __future__ import annotations

from collections.abc import Iterable

from flask import g
from flask_babel import gettext as _
from markupsafe import Markup

from app.access import people

#: the name under which the program itself acts
SYSTEM = "system"
#: a longer drop-down is of no use
MAX_CHOICES = 500


def load(usernames: Iterable[str]) -> None:
    """Read the names of people at once, and remember them for the request."""
    known: dict[str, str] = g.setdefault("people", {})
    missing = {name for name in usernames if name and name not in known}
    if missing:
        known |= dict.fromkeys(missing, "") | dict(people.full_names(missing))


def name_of(username: str) -> str:
    """Return the name of a person, the name for log-in of anybody else."""
    if username == SYSTEM:
        return _("the system")
    load([username])
    return str(g.people[username]) or username


def shown(username: str | None) -> Markup | str:
    """Return the name of a person with the name for log-in on hover."""
    if not username:
        return ""
    name = name_of(username)
    if name == username:
        return username
    return Markup('<span title="{}">{}</span>').format(username, name)


def choices(value: str, usernames: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """Return people as choices of a filter: those named, else those whom the user may see.

    ``value`` is chosen now and is always among them.
    """
    if usernames is None:
        seen = people.people_visible_to(g.user, MAX_CHOICES)
        names = {each.username: each.get_full_name() or each.username for each in seen}
    else:
        load(usernames)
        names = {each: name_of(each) for each in usernames}
    if value and value not in names:
        names[value] = name_of(value) if usernames is not None else value
    return sorted(names.items(), key=lambda pair: pair[1])
