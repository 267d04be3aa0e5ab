"""Log-ins as rows: begun, found, seen, ended. Ages are judged by the database's clock."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from app.models import LoginSession
from config import Settings

#: a session's last request is written at most this often
SEEN_SECONDS = 60


def new_token() -> str:
    """What a browser's cookie holds: 256 random bits."""
    return secrets.token_urlsafe(32)


def begin(connection: Connection, token: str, user_id: int, data: str, *, address: str, browser: str) -> None:
    """Store a log-in under a token that no browser has had before."""
    values = {"user_id": user_id, "data": data, "address": address[:64], "browser": browser[:256]}
    connection.execute(insert(LoginSession).values(token_hash=_hash(token), **values))


def find(connection: Connection, settings: Settings, token: str) -> Row[int, int, str, bool] | None:
    """``id``, ``user_id``, ``data`` and ``due`` (to be noted as seen) of a log-in; None when it is over."""
    due = LoginSession.last_seen_at < _ago(secs=SEEN_SECONDS)
    columns = (LoginSession.id, LoginSession.user_id, LoginSession.data, due.label("due"))
    query = select(*columns).where(LoginSession.token_hash == _hash(token), ~_over(settings))
    return connection.execute(query).first()


def seen(connection: Connection, session_id: int) -> None:
    """Note that the person has just asked for something."""
    at = update(LoginSession).where(LoginSession.id == session_id).values(last_seen_at=func.now())
    connection.execute(at)


def keep(connection: Connection, session_id: int, data: str) -> bool:
    """Store what a request changed; False when the log-in has ended meanwhile."""
    stored = update(LoginSession).where(LoginSession.id == session_id).values(data=data)
    return connection.execute(stored).rowcount == 1


def end(connection: Connection, session_id: int) -> None:
    """End one log-in."""
    connection.execute(delete(LoginSession).where(LoginSession.id == session_id))


def end_all(connection: Connection, user_id: int) -> int:
    """End every log-in of a person; the number that were not over."""
    return connection.execute(delete(LoginSession).where(LoginSession.user_id == user_id)).rowcount


def of_person(connection: Connection, settings: Settings, user_id: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """A person's log-ins that are not over, the one used last first."""
    shown = (
        LoginSession.id,
        LoginSession.created_at,
        LoginSession.last_seen_at,
        LoginSession.address,
        LoginSession.browser,
    )
    query = select(*shown).where(LoginSession.user_id == user_id, ~_over(settings))
    return connection.execute(query.order_by(LoginSession.last_seen_at.desc(), LoginSession.id)).all()


def purge(connection: Connection, settings: Settings) -> int:
    """Delete the log-ins that are over; their number."""
    return connection.execute(delete(LoginSession).where(_over(settings))).rowcount


def _over(settings: Settings) -> ColumnElement[bool]:
    """Whether nobody asked for anything for too long, or the log-in is too old."""
    return or_(
        LoginSession.last_seen_at < _ago(mins=settings.idle_minutes),
        LoginSession.created_at < _ago(hours=settings.session_hours),
    )


def _ago(*, hours: int = 0, mins: int = 0, secs: int = 0) -> ColumnElement[Any]:
    return func.now() - func.make_interval(0, 0, 0, 0, hours, mins, secs)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
