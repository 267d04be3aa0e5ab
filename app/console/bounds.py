"""Time limits of web requests in the database: for statements, lock waits and idle transactions.

Importing this module sets them on every engine of the process. Commands and jobs have no limits.
"""

from __future__ import annotations

from flask import current_app, has_request_context
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from app.audit import actor

#: SQL states of a busy database: statement or lock timeout, deadlock, idle timeout, too many connections
_BUSY = {"57014", "55P03", "40P01", "25P03", "53300"}
_BIND = (
    "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),"
    " set_config('idle_in_transaction_session_timeout', %s, true)"
)


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    if not has_request_context() or actor.in_background():
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
