"""Time limits of web requests in the database: for statements, lock waits, idle transactions and silence.

The server keeps the first three. It can't keep any when it is frozen or out of reach without a word, so web
requests also give up on a server that is silent. Importing this module sets the limits on every engine of the
process. Commands and jobs have no limits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from flask import current_app, has_request_context
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from app.audit import actor

#: SQL states of a busy database: statement or lock timeout, deadlock, idle timeout, too many connections
_BUSY = {"57014", "55P03", "40P01", "25P03", "53300"}
_BIND = (
    "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),"
    " set_config('idle_in_transaction_session_timeout', %s, true)"
)
#: how long a server may take to accept a connection or to begin a transaction before it counts as away
ANSWER_SECONDS = 5
_answer_seconds: ContextVar[int] = ContextVar("answer_seconds", default=ANSWER_SECONDS)


class WebConnection(psycopg.Connection[Any]):
    """A connection that web requests close when the server is silent for longer than it may be."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer. Raises OperationalError when none comes in time."""
        limit = self._limit() if timeout is None and _is_bound() else None
        if limit is None:
            return super().wait(gen, interval, timeout)
        until = time.monotonic() + limit
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError as error:
            if error.sqlstate is not None or time.monotonic() < until:
                raise
            # What the server would answer later belongs to this statement and not to the next one.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server was silent for {limit} s") from error

    def _limit(self) -> int:
        """Return the seconds for the next statement: pings and the first of a transaction are short ones."""
        answer = _answer_seconds.get()
        if self.pgconn.transaction_status == TransactionStatus.IDLE:
            return answer
        statement: int = current_app.config["SETTINGS"].web_statement_seconds
        return statement + answer


@contextmanager
def answer_within(seconds: int) -> Iterator[None]:
    """Count the server as away sooner than other requests do; two seconds are the least for a connection."""
    token = _answer_seconds.set(seconds)
    try:
        yield
    finally:
        _answer_seconds.reset(token)


@event.listens_for(Engine, "do_connect")
def _connect(dialect: Dialect, _record: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
    if dialect.driver != "psycopg":
        return None
    if _is_bound():
        parameters["connect_timeout"] = _answer_seconds.get()
    return WebConnection.connect(*arguments, **parameters)


def _is_bound() -> bool:
    """Return whether the limits hold: a person or a probe waits for the answer."""
    return has_request_context() and not actor.in_background()


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    if not _is_bound():
        return
    settings = current_app.config["SETTINGS"]
    seconds = (settings.web_statement_seconds, settings.web_lock_seconds, settings.web_idle_seconds)
    raw = connection.connection.driver_connection
    raw.execute(_BIND, [f"{each}s" for each in seconds])  # type: ignore[union-attr]


def is_busy(error: BaseException | None) -> bool:
    """Return whether the database was too busy to answer in time."""
    if isinstance(error, NoFreeConnection):
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _BUSY


def is_away(error: BaseException | None) -> bool:
    """Return whether the database could not be reached."""
    return isinstance(error, OperationalError | InterfaceError) and not is_busy(error)
