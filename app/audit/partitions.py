"""The monthly partitions of the change log."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, text

#: months whose partitions are created ahead of the present one
AHEAD = 2
_EXISTING = text("""
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.change_log'::regclass
""")


def name_of(month: dt.date) -> str:
    """Return the name of a month's partition in schema ``audit``."""
    return f"change_log_{month:%Y_%m}"


def months_after(month: dt.date, number: int = 1) -> dt.date:
    """Return the first day of the month ``number`` months later."""
    months = month.year * 12 + month.month - 1 + number
    return dt.date(months // 12, months % 12 + 1, 1)


def ensure(connection: Connection, now: dt.datetime) -> list[str]:
    """Create the missing partitions of this month and the next ones. Return their names.

    Entries without a month's partition go to ``change_log_rest``, so that no write ever fails for lack of
    one. A month that has entries there gets no partition of its own.
    """
    first = now.astimezone(dt.UTC).date().replace(day=1)
    existing = set(connection.scalars(_EXISTING))
    missing = [
        month
        for number in range(AHEAD + 1)
        if name_of(month := months_after(first, number)) not in existing
        and not _is_in_rest(connection, month)
    ]
    for month in missing:
        connection.exec_driver_sql(
            f"CREATE TABLE audit.{name_of(month)} PARTITION OF public.change_log"
            f" FOR VALUES FROM ('{month} 00:00+00') TO ('{months_after(month)} 00:00+00')"
        )
        protect(connection, f"audit.{name_of(month)}")
    return [name_of(month) for month in missing]


def protect(connection: Connection, table: str) -> None:
    """Make a table of the log refuse TRUNCATE."""
    connection.exec_driver_sql(
        f"CREATE OR REPLACE TRIGGER audit_kept BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse()"
    )


def _is_in_rest(connection: Connection, month: dt.date) -> bool:
    query = text("SELECT EXISTS (SELECT FROM audit.change_log_rest WHERE time >= :first AND time < :end)")
    bounds = {
        name: dt.datetime.combine(day, dt.time(), dt.UTC)
        for name, day in (("first", month), ("end", months_after(month)))
    }
    return bool(connection.scalar(query, bounds))
