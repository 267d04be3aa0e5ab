"""The monthly partitions of the change log."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, text

#: how many months are ready beside the present one
AHEAD = 2
_EXISTING = text("""
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.change_log'::regclass
""")


def name_of(month: dt.date) -> str:
    """The partition of a month, in schema ``audit``."""
    return f"change_log_{month:%Y_%m}"


def following(month: dt.date, number: int = 1) -> dt.date:
    """The first day of the month ``number`` months later."""
    months = month.year * 12 + month.month - 1 + number
    return dt.date(months // 12, months % 12 + 1, 1)


def ensure(connection: Connection, now: dt.datetime) -> list[str]:
    """Make the partitions of this month and the next ones that are missing; their names.

    What has no month goes to the partition ``change_log_rest``, so that no write ever fails for the lack of
    one. A month of which entries lie there already is left to it.
    """
    first = now.astimezone(dt.UTC).date().replace(day=1)
    existing = set(connection.scalars(_EXISTING))
    missing = [
        month
        for number in range(AHEAD + 1)
        if name_of(month := following(first, number)) not in existing and not _begun(connection, month)
    ]
    for month in missing:
        connection.exec_driver_sql(
            f"CREATE TABLE audit.{name_of(month)} PARTITION OF public.change_log"
            f" FOR VALUES FROM ('{month} 00:00+00') TO ('{following(month)} 00:00+00')"
        )
        protect(connection, f"audit.{name_of(month)}")
    return [name_of(month) for month in missing]


def protect(connection: Connection, table: str) -> None:
    """Refuse TRUNCATE of a table of the log to everybody."""
    connection.exec_driver_sql(
        f"CREATE OR REPLACE TRIGGER audit_kept BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse()"
    )


def _begun(connection: Connection, month: dt.date) -> bool:
    query = text("SELECT EXISTS (SELECT FROM audit.change_log_rest WHERE time >= :first AND time < :end)")
    bounds = {
        name: dt.datetime.combine(day, dt.time(), dt.UTC)
        for name, day in (("first", month), ("end", following(month)))
    }
    return bool(connection.scalar(query, bounds))
