"""Compaction of the stored facts: all files merged, and the latest values of each lead beside them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date, timedelta

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.activity import engine
from app.activity import store as activity
from app.activity.places import Root
from app.activity.settings import EngineSettings
from app.activity.store import FactFile, LatestFacts
from app.facts import store
from app.facts.store import Column

#: leads in one file, so that erasing a customer rewrites little
LEADS_PER_FILE = 1 << 18
#: values that are merged at once
VALUES_AT_ONCE = 12_000_000
_FIRST = engine.parameter("first_lead", int)
_END = engine.parameter("end_lead", int)
_THROUGH = engine.parameter("through", date)


def compact(
    root: Root,
    columns: Sequence[Column],
    today: date,
    *,
    leads: Callable[[], pa.Table] | None = None,
    settings: EngineSettings | None = None,
) -> int:
    """Merge all files, without what is older than its days kept or belongs to no column.

    `leads` returns the leads whose values are kept (a column `lead`), by default all. The latest values as of
    yesterday are written beside. Nothing is written when all is merged already and nothing is to go.
    Return the number of values of `columns` that were left out.
    """
    if not activity.snapshot(root).facts:
        return 0
    with store.opened(root, settings) as (connection, _scratch), activity.writing(root) as writer:
        store.stated(connection, writer.state, writer.state.facts, columns, "stored")
        before = store.count(connection, "stored", columns)
        facts = _kept(ibis.table(store.schema(columns), name="stored"), columns, today)
        if leads is not None:
            connection.register("leads", leads())
            facts = facts.semi_join(ibis.table({"lead": "int64"}, name="leads"), "lead")
        if _is_compact(writer.state, columns) and _values(connection, facts, columns) == before:
            return 0
        files, latest = _Merge(connection, writer, columns, facts).run(today - timedelta(days=1))
        writer.commit(facts=files, latest_facts=latest)
        store.stated(connection, writer.state, files, columns, "merged_files")
        return before - store.count(connection, "merged_files", columns)


def _is_compact(state: activity.Snapshot, columns: Sequence[Column]) -> bool:
    """Return whether nothing was delivered, undone or removed from the definitions since a compaction."""
    names = {column.name for column in columns}
    covered = all(file.covered and set(file.columns) <= names for file in state.facts)
    return covered and state.latest_facts is not None


def _values(connection: duckdb.DuckDBPyConnection, facts: ibis.Table, columns: Sequence[Column]) -> int:
    """Return the number of values in an expression."""
    counted = facts.aggregate(**{column.name: facts[column.name].count() for column in columns})
    [row] = engine.run(connection, counted).to_pylist()
    return sum(row.values())


def _kept(facts: ibis.Table, columns: Sequence[Column], today: date) -> ibis.Table:
    """Return the rows with null for values older than their days kept, without rows of null alone."""
    limited = facts.mutate(
        **{
            column.name: ibis.ifelse(
                facts.as_of >= today - timedelta(days=column.keep_days),
                facts[column.name],
                ibis.null(column.type),
            )
            for column in columns
        }
    )
    return limited.filter(store.states_something(limited, columns))


class _Merge:
    """The new files of a compaction, written for some leads after the other, so that memory is bounded."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        writer: activity.Writer,
        columns: Sequence[Column],
        facts: ibis.Table,
    ) -> None:
        self._connection, self._writer = connection, writer
        self._names = [column.name for column in columns]
        of_some = facts.filter(facts.lead >= _FIRST, facts.lead < _END)
        self._rows = engine.Statement(of_some)
        rows = ibis.table(store.schema(columns), name="merged")
        covered, later = rows.filter(rows.known_on <= _THROUGH), rows.filter(rows.known_on > _THROUGH)
        order = ("lead", "as_of", "delivery")
        self._covered = engine.Statement(covered.order_by(*order))
        self._later = engine.Statement(later.order_by(*order))
        self._written = 0

    def run(self, through: date) -> tuple[list[FactFile], LatestFacts | None]:
        """Write all files. Return those of rows, and those of the latest values."""
        engine.tell(self._connection, through=through)
        found = self._connection.execute("SELECT min(lead), max(lead), count(*) FROM stored").fetchall()
        first, last, rows = found[0]
        if not rows or not self._names:
            return [], None
        step = max(VALUES_AT_ONCE * (last - first + 1) // (rows * len(self._names)), 1)
        files, latest = list[FactFile](), list[FactFile]()
        for start in range(first // LEADS_PER_FILE * LEADS_PER_FILE, last + 1, LEADS_PER_FILE):
            for kind, name in self._write(max(start, first), min(start + LEADS_PER_FILE, last + 1), step):
                if kind == "latest":
                    latest.append(store.described(self._connection, self._writer, name, self._names))
                else:
                    covered = kind == "covered"
                    files.append(
                        store.described(self._connection, self._writer, name, self._names, covered=covered)
                    )
        return files, LatestFacts(through, tuple(latest)) if files else None

    def _write(self, first: int, end: int, step: int) -> list[tuple[str, str]]:
        """Write the files of the leads first … end − 1, ``step`` at a time. Return kinds and names."""
        writers: dict[str, pq.ParquetWriter] = {}
        names: dict[str, str] = {}
        with ExitStack() as stack:
            for start in range(first, end, step):
                for kind, table in self._tables(start, min(start + step, end)):
                    if kind not in writers:
                        names[kind] = self._writer.new_fact_file(self._written)
                        self._written += 1
                        path = self._writer.path(names[kind])
                        repeating = [each.name for each in table.schema if each.type != pa.float64()]
                        new = pq.ParquetWriter(
                            path, table.schema, compression="zstd", use_dictionary=repeating
                        )
                        writers[kind] = stack.enter_context(new)
                    writers[kind].write_table(table, row_group_size=store.ROWS_PER_GROUP)
        return list(names.items())

    def _tables(self, first: int, end: int) -> Iterator[tuple[str, pa.Table]]:
        """Yield what there is of the leads first … end − 1, by the kind of its file."""
        engine.tell(self._connection, first_lead=first, end_lead=end)
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE merged AS {self._rows.sql}")
        covered = engine.run(self._connection, self._covered)
        if covered.num_rows:
            yield "covered", covered
            yield "latest", latest_of(covered, self._names)
        later = engine.run(self._connection, self._later)
        if later.num_rows:
            yield "later", later


def latest_of(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return the last value of each lead and column with its dates, of rows in the order of ``lead``.

    One column at a time in NumPy; 150 aggregates of as many groups as leads take DuckDB ten times as long.
    """
    leads = rows["lead"].to_numpy()
    starts = np.concatenate([[0], np.flatnonzero(leads[1:] != leads[:-1]) + 1])
    places = np.arange(len(leads))
    found = {"lead": pa.array(leads[starts])}
    for name in names:
        is_given = rows[name].is_valid().to_numpy()
        last = np.maximum.reduceat(np.where(is_given, places, -1), starts)
        index = pa.array(last, mask=last < 0)
        found[name] = rows[name].take(index)
        for date_of in ("as_of", "known_on"):
            found[f"{name}_{date_of}"] = rows[date_of].take(index)
    return pa.table(found)
