"""Classification of database errors."""

from __future__ import annotations

import psycopg


def connection_lost(error: BaseException) -> bool:
    """Return whether an error means that the connection was lost, not that a statement was refused."""
    origin = getattr(error, "orig", None) or error
    if not isinstance(origin, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return origin.sqlstate is None or origin.sqlstate.startswith(("08", "57P"))
