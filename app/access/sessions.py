"""Log-in sessions as rows of a table. Their ages go by the database's clock."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from app.lib import clock
from app.models import LoginSession
from config import Settings

#: the time of a session's last request is written at most this often
SEEN_SECONDS = 60
#: how long a proof of the second factor holds for the gravest acts
FRESH_MINUTES = 10


def new_token() -> str:
    """Return a new token for a browser's cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def begin(connection: Connection, token: str, user_id: int, data: str, *, address: str, browser: str) -> None:
    """Store a new session under a fresh token."""
    values = {"user_id": user_id, "data": data, "address": address[:64], "browser": browser[:256]}
    connection.execute(insert(LoginSession).values(token_hash=_hash(token), **values))


def find(connection: Connection, settings: Settings, token: str) -> Row[*tuple[Any, ...]] | None:
    """Return ``id``, ``user_id``, ``data`` and more of a live session, else None.

    ``due`` is whether to ``touch`` it, ``verified`` whether the second factor was proven in it, and ``fresh``
    whether within the last FRESH_MINUTES.
    """
    due = LoginSession.last_seen_at < _ago(secs=SEEN_SECONDS)
    verified = LoginSession.verified_at.is_not(None)
    fresh = func.coalesce(LoginSession.verified_at > _ago(mins=FRESH_MINUTES), False)
    columns = (
        *(LoginSession.id, LoginSession.user_id, LoginSession.data),
        *(due.label("due"), verified.label("verified"), fresh.label("fresh")),
    )
    query = select(*columns).where(LoginSession.token_hash == _hash(token), ~_expired(settings))
    return connection.execute(query).first()


def touch(connection: Connection, session_id: int) -> None:
    """Set the time of a session's last request to now."""
    touched = update(LoginSession).where(LoginSession.id == session_id).values(last_seen_at=clock.BEGAN)
    connection.execute(touched)


def store_data(connection: Connection, session_id: int, data: str) -> bool:
    """Store the data of a session that a request changed. Return False when the session has ended."""
    stored = update(LoginSession).where(LoginSession.id == session_id).values(data=data)
    return connection.execute(stored).rowcount == 1


def note_proof(connection: Connection, session_id: int) -> None:
    """Note that the second factor was proven in a session just now."""
    noted = update(LoginSession).where(LoginSession.id == session_id).values(verified_at=clock.BEGAN)
    connection.execute(noted)


def end(connection: Connection, session_id: int) -> None:
    """End one session."""
    connection.execute(delete(LoginSession).where(LoginSession.id == session_id))


def end_all(connection: Connection, user_id: int) -> int:
    """End all sessions of a person. Return their number."""
    return connection.execute(delete(LoginSession).where(LoginSession.user_id == user_id)).rowcount


def live_sessions(
    connection: Connection, settings: Settings, user_id: int
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return a person's live sessions, the most recently used first."""
    columns = (
        LoginSession.id,
        LoginSession.created_at,
        LoginSession.last_seen_at,
        LoginSession.address,
        LoginSession.browser,
    )
    query = select(*columns).where(LoginSession.user_id == user_id, ~_expired(settings))
    return connection.execute(query.order_by(LoginSession.last_seen_at.desc(), LoginSession.id)).all()


def is_live(settings: Settings) -> ColumnElement[bool]:
    """Return a criterion on LoginSession: the session is neither idle for too long nor too old."""
    return ~_expired(settings)


def seconds_left(connection: Connection, settings: Settings, session_id: int) -> int:
    """Return the seconds after which a session ends unless it is used, 0 when it has ended."""
    idle = LoginSession.last_seen_at + func.make_interval(0, 0, 0, 0, 0, settings.idle_minutes, SEEN_SECONDS)
    whole = LoginSession.created_at + func.make_interval(0, 0, 0, 0, settings.session_hours)
    left = func.extract("epoch", func.least(idle, whole) - clock.BEGAN)
    seconds = connection.scalar(select(left).where(LoginSession.id == session_id, ~_expired(settings)))
    return max(0, int(seconds or 0))


def purge(connection: Connection, settings: Settings) -> int:
    """Delete the sessions that have expired. Return their number."""
    return connection.execute(delete(LoginSession).where(_expired(settings))).rowcount


def _expired(settings: Settings) -> ColumnElement[bool]:
    """Return a criterion: the session has been idle for too long, or is too old."""
    # A request within SEEN_SECONDS of the recorded one left no trace.
    return or_(
        LoginSession.last_seen_at < _ago(mins=settings.idle_minutes, secs=SEEN_SECONDS),
        LoginSession.created_at < _ago(hours=settings.session_hours),
    )


def _ago(*, hours: int = 0, mins: int = 0, secs: int = 0) -> ColumnElement[Any]:
    return clock.BEGAN - func.make_interval(0, 0, 0, 0, hours, mins, secs)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
