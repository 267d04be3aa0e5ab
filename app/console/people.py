"""Names of people in lists, filters and time lines, with the name for log-in on hover."""

from __future__ import annotations

from collections.abc import Iterable

from flask import g
from markupsafe import Markup

from app.access import people

#: a longer drop-down is of no use
MAX_CHOICES = 500


def shown(username: str | None) -> Markup | str:
    """Return the name of a person with the name for log-in on hover."""
    if not username:
        return ""
    name = people.name_of(username)
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
        people.load(usernames)
        names = {each: people.name_of(each) for each in usernames}
    if value and value not in names:
        names[value] = people.name_of(value) if usernames is not None else value
    return sorted(names.items(), key=lambda pair: pair[1])
