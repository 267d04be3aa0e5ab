"""The SQL of a delivery of outcomes: accepted rows are staged, matched with people, and merged as a set.

Everything runs in the connection's transaction, and the temporary tables are dropped with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, text

from app.outcomes.rows import StagedOutcome
from app.outcomes.sql import SQL

_COPY = f"COPY outcome_staging ({', '.join(StagedOutcome._fields)}) FROM STDIN (FORMAT BINARY)"
_TYPES = ["int8", "text", "text", "text", "int4", "date", "numeric", "numeric"]
# A table lock, because two deliveries of an outcome at the same time would both create it.
_LOCK = text("LOCK TABLE outcome IN SHARE ROW EXCLUSIVE MODE")
_RESULTS = text("SELECT result, count(*) FROM outcome_told GROUP BY result")


def stage(connection: Connection, rows: Iterable[StagedOutcome]) -> None:
    """Copy rows into the temporary table ``outcome_staging`` as they come."""
    connection.exec_driver_sql(SQL["outcome_staging"])
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row(row)
    # Temporary tables are not analysed automatically, and the query plans depend on statistics.
    connection.exec_driver_sql("ANALYZE outcome_staging")


def match(connection: Connection, branches: Sequence[int] | None = None) -> dict[str, int]:
    """Decide what becomes of each staged row: created, corrected, existing or unmatched. Return the numbers.

    With ``branches`` only leads of these count, and only outcomes of theirs can be corrected.
    """
    connection.execute(_LOCK)
    connection.execute(text(SQL["outcome_told"]), {"branches": None if branches is None else list(branches)})
    connection.exec_driver_sql("ANALYZE outcome_told")
    return dict(connection.execute(_RESULTS).tuples().all())


def store(connection: Connection, batch: int | None) -> None:
    """Create and correct the matched outcomes, keeping former values."""
    connection.exec_driver_sql(SQL["keep_former"])
    for name in ("correct", "create"):
        connection.execute(text(SQL[name]), {"batch": batch})
