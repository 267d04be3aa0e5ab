"""How long a statement of a web request may take, wait for a lock, or leave its transaction idle.

Importing this module listens to every engine of the process. Commands and jobs are bound by nothing.
"""

from __future__ import annotations

from flask import current_app, has_request_context
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from app.audit import actor

#: busy: cancelled at a bound, lock not to be had, deadlock, transaction left idle, no connection left
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
    """Whether the database had too much to do to answer in time."""
    if isinstance(error, NoFreeConnection):
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _BUSY


def is_away(error: BaseException | None) -> bool:
    """Whether there was no database to answer."""
    return isinstance(error, OperationalError | InterfaceError) and not is_busy(error)
