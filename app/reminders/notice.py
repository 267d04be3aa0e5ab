"""A notice for one person, and how it is kept: once a source, ringing again when it grows."""

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

#: kinds that are about a state: who has not read one needs not, once it is over
STANDING = ("assigned", "due", "escalated", "approval", "system")
ROWS_A_STATEMENT = 500


@dataclass(frozen=True)
class Notice:
    """What one person should look at. ``message`` names its ``values``; ``opens`` is what it points to
    (app/lib/pointers.py).

    One of the same ``source`` with a higher ``mark`` rings again; one with the mark -1 does not ring itself,
    but lets what rings go on.
    """

    person_id: int
    source: str
    kind: str
    message: LazyString
    values: dict[str, Any] = field(default_factory=dict)
    opens: dict[str, Any] | None = None
    mark: int = 0


def keep(notices: Iterable[Notice], now: dt.datetime) -> int:
    """Store what is new or has grown; how many. Does not commit."""
    wanted = {(each.person_id, each.source): each for each in notices}
    known = _known(list(wanted))
    news = [each for key, each in wanted.items() if each.mark > known.get(key, -1)]
    for start in range(0, len(news), ROWS_A_STATEMENT):
        db.session.execute(_UPSERT, [_row(each, now) for each in news[start : start + ROWS_A_STATEMENT]])
    return len(news)


def close_all_but(notices: Iterable[Notice], now: dt.datetime) -> int:
    """Mark as read what stands for a state that is over; how many. Does not commit."""
    true = {(each.person_id, each.source) for each in notices}
    ringing = select(Reminder.id, Reminder.person_id, Reminder.source).where(
        Reminder.read_at.is_(None), Reminder.kind.in_(STANDING)
    )
    over = [row.id for row in db.session.execute(ringing) if (row.person_id, row.source) not in true]
    if over:
        db.session.execute(
            update(Reminder).where(Reminder.id == func.any(over)).values(read_at=now),
            execution_options={"synchronize_session": False},
        )
    return len(over)


def _known(keys: list[tuple[int, str]]) -> dict[tuple[int, str], int]:
    found: dict[tuple[int, str], int] = {}
    for start in range(0, len(keys), ROWS_A_STATEMENT):
        some = tuple_(Reminder.person_id, Reminder.source).in_(keys[start : start + ROWS_A_STATEMENT])
        query = select(Reminder.person_id, Reminder.source, Reminder.mark).where(some)
        found |= {(person, source): mark for person, source, mark in db.session.execute(query).tuples()}
    return found


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
