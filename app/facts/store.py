"""The values of facts, in the analytical store beside the activity: dated, in columns, sorted by lead.

A file has a row per lead and date, and a column `f<id>` per fact, null where nothing was stated. A batch adds
one file; undo and compaction rewrite files. Compaction (compaction.py) also writes the latest values of each
lead, from which states as of later dates are read. All files are named by the store's one manifest, so that
readers see a batch entirely or not at all (docs/decisions/0011-facts-in-columns.md).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from app.activity import engine, store
from app.activity.places import Root
from app.activity.settings import EngineSettings
from app.activity.store import FactFile, LatestFacts, Snapshot

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
#: the facts of one lead are read by decoding the rows of its group
ROWS_PER_GROUP = 32_768
_STATEMENTS_KEPT = 256
#: deliveries of one date are ordered by the version of their commit, which stays below this
_DELIVERIES = 1 << 32
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
    root: Root,
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
    with opened(root, settings) as (connection, scratch), store.writing(root) as writer:
        read(connection, "given", [rows])
        given = count(connection, "given", columns)
        name = writer.new_fact_file()
        path = writer.path(name) if commit else scratch / "new.parquet"
        stated(connection, writer.state, writer.state.facts, columns)
        news = _news(columns, delivery, writer.version, compare=_is_stated(connection))
        engine.write(connection, news, path, rows_per_group=ROWS_PER_GROUP)
        read(connection, "written", [path])
        stored = count(connection, "written", columns)
        if commit and stored:
            file = described(connection, writer, name, [column.name for column in columns])
            writer.commit(facts=[*writer.state.facts, file], latest_facts=writer.state.latest_facts)
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
    with opened(snapshot.root, settings) as (connection, _scratch):
        found = tell_values(connection, snapshot, columns, as_of, lead=lead)
        return engine.run(connection, _ordered(found))


@dataclass(frozen=True)
class Valued:
    """The values as of a date as an expression: of which columns, from which views, of one lead or all."""

    columns: tuple[Column, ...]
    date: str
    from_latest: bool
    from_rows: bool
    of_one_lead: bool

    @property
    def table(self) -> ibis.Table:
        """The rows of `values`, some of them without any value."""
        return _valued(self)


def tell_values(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    columns: Sequence[Column],
    as_of: date,
    *,
    lead: int | None = None,
    date: str = "now",
) -> Valued:
    """Make the connection ready to select the values as of a date, and call the date so.

    When the latest values are those of an earlier date, only they and what was delivered since are read.
    """
    latest = snapshot.latest_facts
    if latest is not None and latest.through > as_of:
        latest = None
    rows = _about([file for file in snapshot.facts if not (latest and file.covered)], lead)
    stated(connection, snapshot, rows, columns, f"facts_{date}")
    if latest is not None:
        files = _about(latest.files, lead)
        _view(connection, f"latest_{date}", snapshot, files, columns, _latest_schema)
    engine.tell(connection, **{f"as_of_{date}": as_of}, queried_lead=lead or 0)
    return Valued(tuple(columns), date, latest is not None, bool(rows) or latest is None, lead is not None)


def history(snapshot: Snapshot, columns: Sequence[Column], lead: int) -> list[dict[str, Any]]:
    """Return all stored rows of a lead, with a value or None for each column, by date and delivery."""
    found: list[dict[str, Any]] = []
    for file in _about(snapshot.facts, lead):
        names = [*_KEYS, *(column.name for column in columns if column.name in file.columns)]
        rows = pq.read_table(snapshot.path(file.name), columns=names, filters=[("lead", "==", lead)])
        found += rows.to_pylist()
    nothing = {column.name: None for column in columns}
    return sorted((nothing | row for row in found), key=lambda row: (row["as_of"], row["delivery"]))


def batches(snapshot: Snapshot) -> set[int]:
    """Return the ids of the batches that have values in the store."""
    return {batch for file in snapshot.facts for batch in file.batches}


def undo(
    root: Root,
    batch: int,
    *,
    settings: EngineSettings | None = None,
    progress: Callable[[int], None] = lambda percent: None,
) -> int:
    """Remove what a batch stated, so that the former values count again. Return the number of values.

    ``progress`` is called with the percentage of the files that are rewritten.
    """
    with opened(root, settings) as (connection, _scratch), store.writing(root) as writer:
        state = writer.state
        concerned = [file for file in state.facts if batch in file.batches]
        kept, removed = _rewritten(
            connection, writer, concerned, lambda facts: facts.batch != batch, progress=progress
        )
        files = [each for file in state.facts for each in kept.get(file.name, [file])]
        latest = state.latest_facts
        if any(file.covered for file in concerned):
            files, latest = [replace(file, covered=False) for file in files], None
        if concerned:
            writer.commit(facts=files, latest_facts=latest)
        return removed


def erase(root: Root, leads: Collection[int], *, settings: EngineSettings | None = None) -> int:
    """Remove all values of some leads. Return their number."""
    if not store.snapshot(root).facts:
        return 0
    with opened(root, settings) as (connection, _scratch), store.writing(root) as writer:
        latest = writer.state.latest_facts
        files = _files_with(connection, writer.state, writer.state.facts, leads)
        kept, removed = _rewritten(connection, writer, files, lambda facts: facts.lead.notin(list(leads)))
        if latest:
            files = _files_with(connection, writer.state, latest.files, leads)
            rest, _removed = _rewritten(
                connection, writer, files, lambda facts: facts.lead.notin(list(leads)), len(kept)
            )
            named = tuple(each for file in latest.files for each in rest.get(file.name, [file]))
            latest = LatestFacts(latest.through, named)
        if kept:
            facts = [each for file in writer.state.facts for each in kept.get(file.name, [file])]
            writer.commit(facts=facts, latest_facts=latest)
        return removed


@contextmanager
def opened(root: Root, settings: EngineSettings | None) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Yield a connection of the engine and a scratch folder."""
    with (
        store.workspace(root) as scratch,
        engine.connect(settings or EngineSettings(), scratch / "spill") as connection,
    ):
        yield connection, scratch


def schema(columns: Sequence[Column]) -> ibis.Schema:
    """Return the columns of a file."""
    return ibis.schema(_KEYS | {column.name: column.type for column in columns})


def _latest_schema(columns: Sequence[Column]) -> ibis.Schema:
    dates = {f"{column.name}_{what}": "date" for column in columns for what in ("as_of", "known_on")}
    return ibis.schema({"lead": "int64"} | {column.name: column.type for column in columns} | dates)


def stated(
    connection: duckdb.DuckDBPyConnection,
    state: Snapshot,
    files: Sequence[FactFile],
    columns: Sequence[Column],
    name: str = "facts",
) -> None:
    """Create the view `name` of all rows of some files, with null in columns that a file has not."""
    _view(connection, name, state, files, columns, schema)


def _view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    state: Snapshot,
    files: Sequence[FactFile],
    columns: Sequence[Column],
    schema_of: Callable[[Sequence[Column]], ibis.Schema],
) -> None:
    wanted = {column.name for column in columns}
    files = [file for file in files if wanted & set(file.columns)]
    if not files:
        engine.view(connection, name, schema_of(columns), [])
        return
    read(connection, f"{name}_files", state.paths(file.name for file in files))
    stored = {each for file in files for each in file.columns}
    present = schema_of([column for column in columns if column.name in stored])
    table = ibis.table(present, name=f"{name}_files")
    whole = schema_of(columns)
    missing = {each: ibis.null(kind) for each, kind in whole.items() if each not in present}
    connection.sql(engine.Statement(table.mutate(**missing).select(*whole.names)).sql).create_view(name)


def read(connection: duckdb.DuckDBPyConnection, view: str, files: Sequence[Path]) -> None:
    """Create a view of Parquet files."""
    names = [str(file) for file in files]
    connection.read_parquet(names, hive_partitioning=False, union_by_name=True).create_view(view)


def _about(files: Iterable[FactFile], lead: int | None) -> list[FactFile]:
    """Return the files that may have rows of a lead."""
    return [file for file in files if lead is None or file.first <= lead <= file.last]


def _is_stated(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether `facts` has a row of a lead and date in `given`."""
    found = connection.execute("SELECT 1 FROM facts SEMI JOIN given USING (lead, as_of) LIMIT 1")
    return bool(found.fetchall())


def _news(columns: Sequence[Column], delivery: Delivery, version: int, *, compare: bool) -> ibis.Table:
    """Return the rows of `given` to store; with `compare`, with null for values that say nothing new."""
    given = ibis.table(
        {"lead": "int64", "as_of": "date"} | {each.name: each.type for each in columns}, name="given"
    )
    known = ibis.literal(delivery.delivered - timedelta(days=1))
    given = given.mutate(known_on=given.as_of if delivery.backfill else ibis.greatest(given.as_of, known))
    news = given.mutate(batch=ibis.literal(delivery.batch, "int64"), delivery=ibis.literal(version, "int64"))
    if compare:
        joined = news.left_join(_told(columns, given), ["lead", "as_of"])
        news = joined.mutate(
            **{
                column.name: ibis.ifelse(
                    _is_known(joined, column), ibis.null(column.type), joined[column.name]
                )
                for column in columns
            }
        )
    news = news.select(*schema(columns).names)
    return news.filter(states_something(news, columns)).order_by("lead", "as_of")


def _told(columns: Sequence[Column], given: ibis.Table) -> ibis.Table:
    """Return what was last delivered of each lead and date in `given`, and when it was known."""
    facts = ibis.table(schema(columns), name="facts").semi_join(given, ["lead", "as_of"])
    last: dict[str, ibis.Value] = {}
    for column in columns:
        value = facts[column.name]
        last[f"{column.name}_told"] = _latest(value, facts.delivery, value.notnull())
        last[f"{column.name}_known"] = _latest(facts.known_on, facts.delivery, value.notnull())
    return facts.group_by("lead", "as_of").agg(**last)


def _is_known(joined: ibis.Table, column: Column) -> ibis.Value:
    same = joined[column.name] == joined[f"{column.name}_told"]
    return (same & (joined[f"{column.name}_known"] <= joined.known_on)).fill_null(False)


def states_something(facts: ibis.Table, columns: Sequence[Column]) -> ibis.Value:
    """Return whether a row has a value."""
    return ibis.or_(*(facts[column.name].notnull() for column in columns))


@lru_cache(maxsize=_STATEMENTS_KEPT)
def _ordered(found: Valued) -> engine.Statement:
    rows = found.table
    return engine.Statement(rows.filter(states_something(rows, found.columns)).order_by("lead"))


def _valued(found: Valued) -> ibis.Table:
    as_of, columns = engine.parameter(f"as_of_{found.date}", date), found.columns
    rows = ibis.table(schema(columns), name=f"facts_{found.date}")
    latest = ibis.table(_latest_schema(columns), name=f"latest_{found.date}")
    if found.of_one_lead:
        rows, latest = rows.filter(rows.lead == _LEAD), latest.filter(latest.lead == _LEAD)
    told = _latest_values(rows.filter(rows.as_of <= as_of, rows.known_on <= as_of), columns)
    if found.from_latest:
        told = _newest(latest, told, columns) if found.from_rows else latest
    return _unexpired(told, columns, as_of)


def _latest_values(rows: ibis.Table, columns: Sequence[Column]) -> ibis.Table:
    """Return each lead's value of each column with the latest date, of several the latest delivered."""
    order = rows.as_of.epoch_days().cast("int64") * _DELIVERIES + rows.delivery
    found: dict[str, ibis.Value] = {}
    for column in columns:
        value = rows[column.name]
        counts = value.notnull()
        found[column.name] = _latest(value, order, counts)
        found[f"{column.name}_as_of"] = _latest(rows.as_of, order, counts)
        found[f"{column.name}_known_on"] = _latest(rows.known_on, order, counts)
    return rows.group_by("lead").agg(**found).select(*_latest_schema(columns).names)


def _newest(old: ibis.Table, new: ibis.Table, columns: Sequence[Column]) -> ibis.Table:
    """Return the newer values of two tables of latest values; `new` was delivered later."""
    joined = old.outer_join(new, "lead", rname="new_{name}")
    found = {"lead": ibis.coalesce(joined.lead, joined.new_lead)}
    for column in columns:
        before, after = joined[f"{column.name}_as_of"], joined[f"new_{column.name}_as_of"]
        is_newer = after.notnull() & (before.isnull() | (after >= before))
        for name in (column.name, f"{column.name}_as_of", f"{column.name}_known_on"):
            found[name] = ibis.ifelse(is_newer, joined[f"new_{name}"], joined[name])
    return joined.select(**found)


def _unexpired(found: ibis.Table, columns: Sequence[Column], as_of: ibis.Value) -> ibis.Table:
    """Return the values with null for those past their days kept."""
    kept: dict[str, ibis.Value] = {}
    for column in columns:
        is_kept = found[f"{column.name}_as_of"] >= as_of - ibis.interval(days=column.keep_days)
        for name in (column.name, f"{column.name}_as_of", f"{column.name}_known_on"):
            kept[name] = ibis.ifelse(is_kept, found[name], ibis.null(found[name].type()))
    return found.mutate(**kept)


def _latest(value: ibis.Value, order: ibis.Value, where: ibis.Value) -> ibis.Value:
    """Return the value with the greatest `order`. Ibis' own argmax sorts the rows of each group."""

    def arg_max(value: Any, order: Any) -> Any:
        raise NotImplementedError

    kind = value.type()
    arg_max.__annotations__ = {"value": kind, "order": order.type(), "return": kind}
    return ibis.udf.agg.builtin(arg_max)(value, order, where=where)


def described(
    connection: duckdb.DuckDBPyConnection,
    writer: store.Writer,
    name: str,
    columns: Sequence[str],
    *,
    covered: bool = False,
) -> FactFile:
    """Return the entry of a new file, of rows or of latest values."""
    rows = connection.read_parquet(str(writer.path(name)))
    of_batches = "list_sort(list(DISTINCT batch))" if "batch" in rows.columns else "NULL"
    found = rows.aggregate(f"{of_batches}, min(lead), max(lead)").fetchall()
    batches, first, last = found[0]
    return FactFile(name, tuple(batches or ()), tuple(columns), first or 0, last or 0, covered)


def _rewritten(
    connection: duckdb.DuckDBPyConnection,
    writer: store.Writer,
    files: Sequence[FactFile],
    keeps: Callable[[ibis.Table], ibis.Value],
    first_number: int = 0,
    progress: Callable[[int], None] = lambda percent: None,
) -> tuple[dict[str, list[FactFile]], int]:
    """Write files of the rows of `files` that `keeps` selects.

    Return by its name what each is to be replaced by, and the number of values left out.
    """
    removed, replaced = 0, dict[str, list[FactFile]]()
    for number, file in enumerate(files, first_number):
        name, old, new = writer.new_fact_file(number), f"old_{number}", f"new_{number}"
        read(connection, old, [writer.state.path(file.name)])
        read(connection, new, [_filtered(connection, old, keeps, writer.path(name))])
        left, before = (_values_in(connection, view, file.columns) for view in (new, old))
        removed += before - left
        entry = replace(
            file, name=name, batches=_batches(connection, writer.path(name)) if file.batches else ()
        )
        replaced[file.name] = [entry] if left else []
        progress(100 * (number - first_number + 1) // len(files))
    return replaced, removed


def _filtered(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    keeps: Callable[[ibis.Table], ibis.Value],
    path: Path,
) -> Path:
    """Write the rows of a view that `keeps` selects to `path`, sorted, and return it."""
    stored = ibis.Schema.from_pyarrow(connection.view(view).limit(0).to_arrow_table().schema)
    table = ibis.table(stored, name=view)
    order = [name for name in ("lead", "as_of", "delivery") if name in stored]
    rows = table.filter(keeps(table)).order_by(order)
    engine.write(connection, rows, path, rows_per_group=ROWS_PER_GROUP)
    return path


def _batches(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, ...]:
    found = connection.read_parquet(str(path)).aggregate("list_sort(list(DISTINCT batch))").fetchall()
    return tuple(found[0][0] or ())


def _files_with(
    connection: duckdb.DuckDBPyConnection,
    state: Snapshot,
    files: Sequence[FactFile],
    leads: Collection[int],
) -> list[FactFile]:
    paths = state.paths(file.name for file in files)
    return [file for file, path in zip(files, paths, strict=True) if _has(connection, path, leads)]


def _has(connection: duckdb.DuckDBPyConnection, path: Path, leads: Collection[int]) -> bool:
    found = connection.execute(
        "SELECT 1 FROM read_parquet($path) WHERE lead IN (SELECT unnest($leads)) LIMIT 1",
        {"path": str(path), "leads": list(leads)},
    )
    return bool(found.fetchall())


def count(connection: duckdb.DuckDBPyConnection, view: str, columns: Sequence[Column]) -> int:
    """Return the number of values in a view."""
    return _values_in(connection, view, [column.name for column in columns])


def _values_in(connection: duckdb.DuckDBPyConnection, view: str, columns: Sequence[str]) -> int:
    if not columns:
        return 0
    counted = " + ".join(f"count({name})" for name in columns)
    [(number,)] = connection.view(view).aggregate(counted).fetchall()
    return int(number)
