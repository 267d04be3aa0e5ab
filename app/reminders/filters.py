"""The special filter of reminders by read state."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement

from app.errors import DomainError
from app.models import Reminder
from app.selection.special import FILTERS

UNREAD, READ = "unread", "read"


def in_state(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for read or unread reminders. Raises DomainError for another state."""
    if text not in (UNREAD, READ):
        raise DomainError("There is no such state: %(name)s", name=text[:20])
    return Reminder.read_at.is_(None) if text == UNREAD else Reminder.read_at.is_not(None)


FILTERS[Reminder] = {"state": in_state}
