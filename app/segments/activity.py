"""Activity of leads from the cube, as temporary tables of the database to join with."""

from __future__ import annotations

import datetime as dt
import io
import uuid
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, Column, MetaData, RootTransaction, Table
from sqlalchemy.orm import Session

from app.activity import store
from app.activity.errors import ActivityError
from app.activity.metrics import Metric
from app.activity.spec import Condition, RuleSpec
from app.leads.cube import activity_root, engine_settings, prepare, window
from app.lib import clock
from app.lib.lazy import lazy
from config import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

    from app.activity import query
else:
    pa = lazy("pyarrow")
    csv = lazy("pyarrow.csv")
    query = lazy("app.activity.query")


_ROWS_AT_ONCE = 100_000
_TABLES: WeakKeyDictionary[RootTransaction, dict[tuple[Metric, int, int, dt.date], Table]] = (
    WeakKeyDictionary()
)


def as_of(settings: Settings) -> dt.date:
    """Return the last complete local day, with which all windows end."""
    return clock.today() - dt.timedelta(days=1)


def lead_values(
    settings: Settings, metric: Metric, window_days: int, at_least: int, day: dt.date
) -> pa.Table:
    """Return ``lead`` and ``value_0`` of the leads that reach ``at_least`` in the window ending on ``day``.

    Leads added since the last T+1 run have no activity until the next one.
    """
    return leads_with(settings, RuleSpec("all", (Condition(metric, ">=", at_least, window_days),)), day)


def leads_with(settings: Settings, spec: RuleSpec, day: dt.date) -> pa.Table:
    """Return ``lead`` and ``value_0`` of the leads whose activity meets the condition as of a date."""
    engine, window_days = engine_settings(settings), spec.window_days
    try:
        state = store.snapshot(activity_root(settings))
        return query.lead_values(state, spec, day, settings=engine)
    except ActivityError:
        # A day of the window has no lead layer yet, or one of another lead list.
        return query.lead_values(prepare(settings, window(day, window_days)), spec, day, settings=engine)


def table_of(
    session: Session,
    settings: Settings,
    metric: Metric,
    window_days: int,
    at_least: int,
    day: dt.date | None = None,
) -> Table:
    """Return ``lead_values``, the present ones by default, as a table made once in a transaction."""
    transaction = session.connection().get_transaction()
    tables = _TABLES.setdefault(transaction, {}) if transaction is not None else {}
    day = day or as_of(settings)
    key = (metric, window_days, at_least, day)
    if key not in tables:
        values = lead_values(settings, metric, window_days, at_least, day)
        tables[key] = as_table(session, values)
    return tables[key]


def as_table(session: Session, values: pa.Table) -> Table:
    """Copy the rows into a temporary table ``lead_id, value`` of the session's transaction."""
    name = f"lead_activity_{uuid.uuid4().hex}"
    table = Table(
        name,
        MetaData(),
        Column("lead_id", BigInteger),
        Column("value", BigInteger),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    connection = session.connection()
    table.create(connection)
    raw: Any = connection.connection.driver_connection
    rows = values.select(["lead", "value_0"])
    with raw.cursor() as cursor, cursor.copy(f"COPY {name} (lead_id, value) FROM STDIN (FORMAT csv)") as copy:
        for batch in rows.to_batches(max_chunksize=_ROWS_AT_ONCE):
            text = io.BytesIO()
            csv.write_csv(batch, text, csv.WriteOptions(include_header=False))
            copy.write(text.getbuffer())
    # By the index a page of a sorted list is found without sorting everybody.
    connection.exec_driver_sql(f"CREATE UNIQUE INDEX ON {name} (lead_id)")
    connection.exec_driver_sql(f"ANALYZE {name}")
    return table
