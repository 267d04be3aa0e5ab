"""The values of facts, in the analytical store beside the activity: dated, in columns, sorted by lead.

A file has a row per lead and date, and a column `f<id>` per fact, null where nothing was stated. A batch adds
one file; undo and compaction rewrite files. All files are named by the store's one manifest, so that readers
see a batch entirely or not at all (docs/decisions/0011-facts-in-columns.md).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa

from app.activity import engine, store
from app.activity.settings import EngineSettings
from app.activity.store import FactFile, Snapshot

TYPES = {
    "number": "float64",
    "money": "float64",
    "date": "date",
    "choice": "string",
    "flag": "boolean",
    "text": "string",
}
#: the columns of every file: `delivery` orders the batches as they were committed
_KEYS = {"lead": "int64", "as_of": "date", "known_on": "date", "batch": "int64", "delivery": "int64"}
_STATEMENTS_KEPT = 256
#: deliveries of one date are ordered by the version of their commit, which stays below this
_DELIVERIES = 1 << 32
_AS_OF = engine.parameter("as_of", date)
_LEAD = engine.parameter("queried_lead", int)


@dataclass(frozen=True)
class Column:
    """The column of a fact, by the id of its definition."""

    fact: int
    kind: str
    keep_days: int

    @property
    def name(self) -> str:
        """The name of the column in the files."""
        return f"f{self.fact}"

    @property
    def type(self) -> str:
        """The type of its values."""
        return TYPES[self.kind]


@dataclass(frozen=True)
class Delivery:
    """The batch that states values, the local date of its delivery, and whether it is a backfill."""

    batch: int
    delivered: date
    backfill: bool = False


@dataclass(frozen=True)
class Counts:
    """Numbers of values that a batch changed, and that had been stated before."""

    stored: int
    unchanged: int


def append(
    root: Path,
    rows: Path,
    columns: Sequence[Column],
    delivery: Delivery,
    *,
    commit: bool = True,
    settings: EngineSettings | None = None,
) -> Counts:
    """Add the values in the Parquet file `rows` (`lead`, `as_of`, and a column per fact), atomically.

    No lead may have two rows of a date. A value that was last stated the same for its date, and was known by
    then, is not stored again. Without `commit` nothing is written.
    """
    with _engine(root, settings) as (connection, scratch), store.writing(root) as writer:
        _stated(connection, writer.state, columns)
        _read(connection, "given", [rows])
        given = _count(connection, "given", columns)
        name = writer.new_fact_file()
        path = root / name if commit else scratch / "new.parquet"
        engine.write(connection, _news(columns, delivery, writer.version), path)
        _read(connection, "written", [path])
        stored = _count(connection, "written", columns)
        if commit and stored:
            file = FactFile(name, (delivery.batch,), tuple(column.name for column in columns))
            writer.commit(facts=[*writer.state.facts, file])
        elif commit:
            path.unlink()
        return Counts(stored, given - stored)


def values(
    snapshot: Snapshot,
    columns: Sequence[Column],
    as_of: date,
    *,
    lead: int | None = None,
    settings: EngineSettings | None = None,
) -> pa.Table:
    """Return the values as of a date: `lead` and, per column, `f<id>`, `f<id>_as_of` and `f<id>_known_on`.

    Of the values that were true and known on the date, and are no older than their days kept, the one with
    the latest date counts, of several the latest delivered. With `lead` only this one is read. Leads without
    any value have no row.
    """
    with _engine(snapshot.root, settings) as (connection, _scratch):
        _stated(connection, snapshot, columns)
        engine.tell(connection, as_of=as_of, queried_lead=lead or 0)
        return engine.run(connection, _valued(tuple(columns), lead is not None))


def history(
    snapshot: Snapshot, columns: Sequence[Column], lead: int, *, settings: EngineSettings | None = None
) -> pa.Table:
    """Return all stored rows of a lead, oldest first, in the order of their delivery."""
    with _engine(snapshot.root, settings) as (connection, _scratch):
        _stated(connection, snapshot, columns)
        facts = ibis.table(_schema(columns), name="facts")
        return engine.run(connection, facts.filter(facts.lead == lead).order_by("as_of", "delivery"))


def batches(snapshot: Snapshot) -> set[int]:
    """Return the ids of the batches that have values in the store."""
    return {batch for file in snapshot.facts for batch in file.batches}


def undo(root: Path, batch: int, *, settings: EngineSettings | None = None) -> int:
    """Remove what a batch stated, so that the former values count again. Return the number of values."""
    with _engine(root, settings) as (connection, _scratch), store.writing(root) as writer:
        return _rewrite(
            connection,
            writer,
            [file for file in writer.state.facts if batch in file.batches],
            lambda facts: facts.batch != batch,
        )


def erase(root: Path, leads: Collection[int], *, settings: EngineSettings | None = None) -> int:
    """Remove all values of some leads. Return their number."""
    if not store.snapshot(root).facts:
        return 0
    with _engine(root, settings) as (connection, _scratch), store.writing(root) as writer:
        named = [file for file in writer.state.facts if _has(connection, root / file.name, leads)]
        return _rewrite(connection, writer, named, lambda facts: facts.lead.notin(list(leads)))


def compact(
    root: Path,
    columns: Sequence[Column],
    today: date,
    *,
    leads: Callable[[], pa.Table] | None = None,
    settings: EngineSettings | None = None,
) -> int:
    """Merge all files into one, without what is older than its days kept or belongs to no column.

    `leads` returns the leads whose values are kept (a column `lead`), by default all. Return the number of
    values of `columns` that were left out.
    """
    if not store.snapshot(root).facts:
        return 0
    with _engine(root, settings) as (connection, _scratch), store.writing(root) as writer:
        _stated(connection, writer.state, columns)
        before = _count(connection, "facts", columns)
        facts = _kept(ibis.table(_schema(columns), name="facts"), columns, today)
        if leads is not None:
            connection.register("leads", leads())
            facts = facts.semi_join(ibis.table({"lead": "int64"}, name="leads"), "lead")
        name = writer.new_fact_file()
        engine.write(connection, facts.order_by("lead", "as_of", "delivery"), root / name)
        found = _batches(connection, root / name)
        merged = [FactFile(name, found, tuple(column.name for column in columns))]
        writer.commit(facts=merged if found else [])
        _read(connection, "merged", [root / name])
        return before - _count(connection, "merged", columns)


@contextmanager
def _engine(root: Path, settings: EngineSettings | None) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    with (
        store.workspace(root) as scratch,
        engine.connect(settings or EngineSettings(), scratch / "spill") as connection,
    ):
        yield connection, scratch


def _schema(columns: Sequence[Column]) -> ibis.Schema:
    return ibis.schema(_KEYS | {column.name: column.type for column in columns})


def _stated(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, columns: Sequence[Column]) -> None:
    """Create the view `facts` of all stored rows, with null in columns that no file has."""
    wanted = {column.name for column in columns}
    files = [file for file in snapshot.facts if wanted & set(file.columns)]
    if not files:
        engine.view(connection, "facts", _schema(columns), [])
        return
    _read(connection, "fact_files", [snapshot.root / file.name for file in files])
    present = {name for file in files for name in file.columns}
    schema = _schema([column for column in columns if column.name in present])
    table = ibis.table(schema, name="fact_files")
    missing = {each.name: ibis.null(each.type) for each in columns if each.name not in present}
    whole = table.mutate(**missing).select(*_schema(columns).names)
    connection.sql(engine.compiled(whole).sql).create_view("facts")


def _read(connection: duckdb.DuckDBPyConnection, view: str, files: Sequence[Path]) -> None:
    names = [str(file) for file in files]
    connection.read_parquet(names, hive_partitioning=False, union_by_name=True).create_view(view)


def _news(columns: Sequence[Column], delivery: Delivery, version: int) -> ibis.Table:
    """Return the rows to store of `given`: with null for values that say nothing new."""
    given = ibis.table(
        {"lead": "int64", "as_of": "date"} | {each.name: each.type for each in columns}, name="given"
    )
    known = ibis.literal(delivery.delivered - timedelta(days=1))
    given = given.mutate(known_on=given.as_of if delivery.backfill else ibis.greatest(given.as_of, known))
    told = _told(columns, given)
    joined = given.left_join(told, ["lead", "as_of"])
    news = joined.mutate(
        **{
            column.name: ibis.ifelse(_is_known(joined, column), ibis.null(column.type), joined[column.name])
            for column in columns
        },
        batch=ibis.literal(delivery.batch, "int64"),
        delivery=ibis.literal(version, "int64"),
    ).select(*_schema(columns).names)
    return news.filter(_states_something(news, columns)).order_by("lead", "as_of")


def _told(columns: Sequence[Column], given: ibis.Table) -> ibis.Table:
    """Return what was last delivered of each lead and date in `given`, and when it was known."""
    facts = ibis.table(_schema(columns), name="facts").semi_join(given, ["lead", "as_of"])
    last: dict[str, ibis.Value] = {}
    for column in columns:
        value = facts[column.name]
        last[f"{column.name}_told"] = _latest(value, facts.delivery, value.notnull())
        last[f"{column.name}_known"] = _latest(facts.known_on, facts.delivery, value.notnull())
    return facts.group_by("lead", "as_of").agg(**last)


def _is_known(joined: ibis.Table, column: Column) -> ibis.Value:
    same = joined[column.name] == joined[f"{column.name}_told"]
    return (same & (joined[f"{column.name}_known"] <= joined.known_on)).fill_null(False)


def _states_something(facts: ibis.Table, columns: Sequence[Column]) -> ibis.Value:
    return ibis.or_(*(facts[column.name].notnull() for column in columns))


@lru_cache(maxsize=_STATEMENTS_KEPT)
def _valued(columns: tuple[Column, ...], of_one_lead: bool) -> engine.Statement:
    facts = ibis.table(_schema(columns), name="facts")
    facts = facts.filter(facts.as_of <= _AS_OF, facts.known_on <= _AS_OF)
    if of_one_lead:
        facts = facts.filter(facts.lead == _LEAD)
    order = facts.as_of.epoch_days().cast("int64") * _DELIVERIES + facts.delivery
    found: dict[str, ibis.Value] = {}
    for column in columns:
        value = facts[column.name]
        counts = value.notnull() & (facts.as_of >= _AS_OF - ibis.interval(days=column.keep_days))
        found[column.name] = _latest(value, order, counts)
        found[f"{column.name}_as_of"] = _latest(facts.as_of, order, counts)
        found[f"{column.name}_known_on"] = _latest(facts.known_on, order, counts)
    latest = facts.group_by("lead").agg(**found)
    return engine.compiled(latest.filter(_states_something(latest, columns)).order_by("lead"))


def _latest(value: ibis.Value, order: ibis.Value, where: ibis.Value) -> ibis.Value:
    """Return the value with the greatest `order`. Ibis' own argmax sorts the rows of each group."""

    def arg_max(value: Any, order: Any) -> Any:
        raise NotImplementedError

    kind = value.type()
    arg_max.__annotations__ = {"value": kind, "order": order.type(), "return": kind}
    return ibis.udf.agg.builtin(arg_max)(value, order, where=where)


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
    return limited.filter(_states_something(limited, columns))


def _rewrite(
    connection: duckdb.DuckDBPyConnection,
    writer: store.Writer,
    files: Sequence[FactFile],
    keeps: Callable[[ibis.Table], ibis.Value],
) -> int:
    """Replace `files` by files of the rows that `keeps` selects. Return the number of values left out."""
    root, removed, replaced = writer.state.root, 0, dict[str, FactFile]()
    for number, file in enumerate(files):
        name, old, new = writer.new_fact_file(number), f"old_{number}", f"new_{number}"
        _read(connection, old, [root / file.name])
        _read(connection, new, [_filtered(connection, old, keeps, root / name)])
        removed += _values_in(connection, old, file.columns) - _values_in(connection, new, file.columns)
        replaced[file.name] = FactFile(name, _batches(connection, root / name), file.columns)
    if files:
        kept = (replaced.get(file.name, file) for file in writer.state.facts)
        writer.commit(facts=[file for file in kept if file.batches])
    return removed


def _filtered(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    keeps: Callable[[ibis.Table], ibis.Value],
    path: Path,
) -> Path:
    """Write the rows of a view that `keeps` selects to `path`, sorted, and return it."""
    schema = ibis.Schema.from_pyarrow(connection.view(view).limit(0).to_arrow_table().schema)
    table = ibis.table(schema, name=view)
    engine.write(connection, table.filter(keeps(table)).order_by("lead", "as_of", "delivery"), path)
    return path


def _batches(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, ...]:
    found = connection.read_parquet(str(path)).aggregate("list_sort(list(DISTINCT batch))").fetchall()
    return tuple(found[0][0] or ())


def _has(connection: duckdb.DuckDBPyConnection, path: Path, leads: Collection[int]) -> bool:
    found = connection.execute(
        "SELECT 1 FROM read_parquet($path) WHERE lead IN (SELECT unnest($leads)) LIMIT 1",
        {"path": str(path), "leads": list(leads)},
    )
    return bool(found.fetchall())


def _count(connection: duckdb.DuckDBPyConnection, view: str, columns: Sequence[Column]) -> int:
    return _values_in(connection, view, [column.name for column in columns])


def _values_in(connection: duckdb.DuckDBPyConnection, view: str, columns: Sequence[str]) -> int:
    if not columns:
        return 0
    counted = " + ".join(f"count({name})" for name in columns)
    [(number,)] = connection.view(view).aggregate(counted).fetchall()
    return int(number)
