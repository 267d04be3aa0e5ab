"""Import of a file of facts: all or nothing, into the analytical store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Engine

from app.activity import store as activity
from app.errors import N_, DomainError
from app.facts import batches
from app.facts.columns import value_type
from app.facts.definition import PERSON_HEADERS, FactDef
from app.facts.rows import FactBlocks
from app.leads.blocks import Block
from app.leads.columns import match_columns
from app.leads.cube import activity_root, engine_settings
from app.leads.errors import RowError, UnreadableFile
from app.leads.identity import IdHasher
from app.leads.importer import ImportOrder, ImportResult, run_import
from app.leads.staging import MergeResult
from app.lib.lazy import lazy
from config import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from app.facts import store
else:
    pa = lazy("pyarrow")
    pq = lazy("pyarrow.parquet")
    store = lazy("app.facts.store")


def import_facts(
    engine: Engine,
    order: ImportOrder,
    facts: Mapping[int, FactDef],
    today: dt.date,
    *,
    as_of: dt.date | None = None,
    backfill: bool = False,
    among: ColumnElement[bool] | None = None,
) -> ImportResult:
    """Import a file of facts, delivered ``today``. Return the result, whose counts are of values.

    ``facts`` are the definitions by id. Rows without a date are about ``as_of``, by default the day before
    today. With the criterion ``among``, other leads are unknown. Raises as ``run_import`` does, and
    DomainError for an ``as_of`` in the future.
    """
    check_date(as_of, today)
    as_of = as_of or today - dt.timedelta(days=1)
    intake = FactIntake(order.settings, facts, today, as_of=as_of, backfill=backfill, among=among)
    if not order.dry_run:
        batches.remove_unfinished(engine, order.settings)
    return run_import(engine, intake.order(order), intake)


def check_date(as_of: dt.date | None, today: dt.date) -> None:
    """Raise DomainError for a date in the future."""
    if as_of is not None and as_of > today:
        raise DomainError("The date %(day)s is in the future.", day=as_of.isoformat())


class FactIntake:
    """Intake of a file of facts."""

    kind = "facts"

    def __init__(
        self,
        settings: Settings,
        facts: Mapping[int, FactDef],
        today: dt.date,
        *,
        as_of: dt.date,
        backfill: bool,
        among: ColumnElement[bool] | None = None,
    ) -> None:
        self._settings, self._known, self._today = settings, facts, today
        self._as_of, self._backfill, self._among = as_of, backfill, among
        self._root = activity_root(settings)
        self._facts: dict[int, FactDef] = {}
        self._stored: int | None = None
        self._exit = ExitStack()

    @property
    def headers(self) -> dict[str, tuple[str, ...]]:
        """The accepted names of each field; that of a fact is ``f<id>``."""
        return PERSON_HEADERS | {f"f{fact}": each.names() for fact, each in self._known.items()}

    def order(self, order: ImportOrder) -> ImportOrder:
        """Return the order with the columns of facts, and what its batch says of them for ever."""
        options = {"as_of": self._as_of.isoformat(), "backfill": self._backfill}
        return replace(order, find=self.find, options=options)

    def find(self, header: Sequence[str], file: str) -> dict[str, int]:
        """Return the position of each field. Raises UnreadableFile without a person or without a fact."""
        columns = match_columns(header, file, self.headers)
        if not columns.keys() & {"lead_no", "id_number", "id_hash"}:
            message = N_("%(file)s: no column has lead numbers, ID numbers or their hashes")
            raise UnreadableFile("file_no_person", message, file=file)
        if columns.keys() <= PERSON_HEADERS.keys():
            message = N_("%(file)s: no column is headed by the code or name of a fact")
            raise UnreadableFile("file_no_facts", message, file=file)
        return columns

    def block_checker(
        self, connection: Connection, columns: dict[str, int]
    ) -> Callable[[Block], tuple[pa.Table, dict[int, RowError]]]:
        """Return a function that checks persons, values and dates of a block."""
        self._facts = {fact: each for fact, each in self._known.items() if f"f{fact}" in columns}
        hasher = IdHasher(self._settings.id_hash_algorithm, self._settings.id_hash_key)
        rows = FactBlocks(columns, self._facts, hasher, as_of=self._as_of, latest=self._today)
        rows.look_up(connection, self._among)
        return rows.check

    def stage(self, connection: Connection, rows: Iterable[pa.Table], adds_to: int | None) -> None:
        """Write the rows to a file in the store's scratch folder."""
        self._path = self._exit.enter_context(activity.workspace(self._root)) / "rows.parquet"
        values = [(f"f{fact}", value_type(each)) for fact, each in self._facts.items()]
        schema = pa.schema([("lead", pa.int64()), ("as_of", pa.date32()), *values])
        with pq.ParquetWriter(self._path, schema, compression="lz4", use_dictionary=False) as writer:
            for part in rows:
                writer.write_table(part)

    def merge(self, connection: Connection, batch: int, *, update: bool) -> MergeResult:
        """Add the staged values to the store."""
        self._stored = batch
        return self._append(batch, commit=True)

    def preview(self, connection: Connection, *, update: bool) -> MergeResult:
        """Return how many values would be stored."""
        return self._append(0, commit=False)

    def take_back(self) -> None:
        """Remove the values of a batch whose import failed after they were stored."""
        self._exit.close()
        if self._stored is not None:
            store.undo(self._root, self._stored, settings=engine_settings(self._settings))

    def _append(self, batch: int, *, commit: bool) -> MergeResult:
        counts = store.append(
            self._root,
            self._path,
            columns_of(self._facts),
            store.Delivery(batch, self._today, self._backfill),
            commit=commit,
            settings=engine_settings(self._settings),
        )
        self._exit.close()
        return MergeResult(counts.stored, 0, counts.unchanged)


def columns_of(facts: Mapping[int, FactDef]) -> list[store.Column]:
    """Return the columns of the store that hold some facts."""
    return [store.Column(fact, each.kind, each.keep_days) for fact, each in facts.items()]


def result_json(result: ImportResult) -> dict[str, Any]:
    """Return the object that ``flask facts import --json`` prints."""
    return {
        "batch": result.batch,
        "read": result.read,
        "stored": result.created,
        "unchanged": result.existing,
        "rejected": result.rejected,
        "error_file": result.error_file,
    }
