"""What an error of the database means."""

from __future__ import annotations

import psycopg


def connection_lost(error: BaseException) -> bool:
    """Whether an error means that the database went away, not that it refused something."""
    origin = getattr(error, "orig", None) or error
    if not isinstance(origin, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return origin.sqlstate is None or origin.sqlstate.startswith(("08", "57P"))
