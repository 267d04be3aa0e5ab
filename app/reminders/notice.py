"""Notices for people, stored once per source and ringing again when they grow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flask_babel import LazyString
from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from app.extensions import db
from app.models import Reminder

#: kinds about a lasting state, marked as read when it ends
STANDING = ("assigned", "due", "call_back", "asked", "escalated", "approval", "system")
ROWS_A_STATEMENT = 500


@dataclass(frozen=True)
class Notice:
    """A notice for one person. ``message`` uses ``values``; ``opens`` is its pointer (app/lib/pointers.py).

    A notice with the same ``source`` and a higher ``mark`` rings again. One with the mark -1 does not ring,
    but keeps an earlier one ringing.
    """

    person_id: int
    source: str
    kind: str
    message: LazyString
    values: dict[str, Any] = field(default_factory=dict)
    opens: dict[str, Any] | None = None
    mark: int = 0


def store(notices: Iterable[Notice], now: dt.datetime) -> int:
    """Store notices that are new or have grown. Return their number. Does not commit."""
    by_key = {(each.person_id, each.source): each for each in notices}
    known = _known(list(by_key))
    news = [each for key, each in by_key.items() if each.mark > known.get(key, -1)]
    for start in range(0, len(news), ROWS_A_STATEMENT):
        db.session.execute(_UPSERT, [_row(each, now) for each in news[start : start + ROWS_A_STATEMENT]])
    return len(news)


def close_ended(notices: Iterable[Notice], now: dt.datetime) -> int:
    """Mark unread reminders of ended states as read. Return their number. Does not commit."""
    current = {(each.person_id, each.source) for each in notices}
    ringing = select(Reminder.id, Reminder.person_id, Reminder.source).where(
        Reminder.read_at.is_(None), Reminder.kind.in_(STANDING)
    )
    ended = [row.id for row in db.session.execute(ringing) if (row.person_id, row.source) not in current]
    if ended:
        db.session.execute(
            update(Reminder).where(Reminder.id == func.any(ended)).values(read_at=now),
            execution_options={"synchronize_session": False},
        )
    return len(ended)


def _known(keys: list[tuple[int, str]]) -> dict[tuple[int, str], int]:
    marks: dict[tuple[int, str], int] = {}
    for start in range(0, len(keys), ROWS_A_STATEMENT):
        part = tuple_(Reminder.person_id, Reminder.source).in_(keys[start : start + ROWS_A_STATEMENT])
        query = select(Reminder.person_id, Reminder.source, Reminder.mark).where(part)
        marks |= {(person, source): mark for person, source, mark in db.session.execute(query).tuples()}
    return marks


def _row(notice: Notice, now: dt.datetime) -> dict[str, Any]:
    return {
        "person_id": notice.person_id,
        "source": notice.source,
        "kind": notice.kind,
        "message": notice.message._args[0],
        "values": notice.values,
        "opens": notice.opens,
        "mark": notice.mark,
        "created_at": now,
    }


def _upsert() -> Any:
    statement = insert(Reminder)
    given = statement.excluded
    changed = {name: given[name] for name in ("message", "values", "opens", "mark", "created_at")}
    return statement.on_conflict_do_update(
        index_elements=["person_id", "source"],
        set_=changed | {"read_at": None, "mail_id": None},
        where=given.mark > Reminder.mark,
    )


_UPSERT = _upsert()
