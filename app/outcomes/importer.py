"""Import of a file of outcomes: all or nothing, in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, select

from app.errors import N_
from app.leads import kinds
from app.leads.columns import match_columns
from app.leads.errors import UnreadableFile
from app.leads.identity import IdHasher
from app.leads.importer import ImportOrder, ImportResult, run_import
from app.leads.remarks import Note
from app.leads.staging import MergeResult
from app.models import Product
from app.outcomes import staging
from app.outcomes.rows import HEADERS, OutcomeRows, StagedOutcome
from config import Settings

_PERSON = ("lead_no", "id_number", "id_hash")
_NEEDED = ("outcome_id", "product", "date", "amount")


def import_outcomes(engine: Engine, order: ImportOrder, today: dt.date) -> ImportResult:
    """Import a file of outcomes, delivered ``today``. Raises as ``run_import`` does."""
    intake = OutcomeIntake(order.settings, today)
    return run_import(engine, replace(order, find=find_columns), intake)


def find_columns(header: Sequence[str], file: str) -> dict[str, int]:
    """Return the position of each field. Raises UnreadableFile when a needed one is missing."""
    columns = match_columns(header, file, HEADERS)
    missing = [HEADERS[name][0] for name in _NEEDED if name not in columns]
    if missing:
        message = N_("%(file)s: the first row has no column for %(fields)s")
        raise UnreadableFile("file_columns_missing", message, file=file, fields=", ".join(missing))
    if not columns.keys() & set(_PERSON):
        message = N_("%(file)s: no column has lead numbers, ID numbers or their hashes")
        raise UnreadableFile("file_no_person", message, file=file)
    return columns


class OutcomeIntake:
    """Intake of a file of outcomes."""

    kind = "outcomes"
    headers = HEADERS

    def __init__(self, settings: Settings, today: dt.date) -> None:
        self._settings, self._today = settings, today

    def checker(
        self, connection: Connection, columns: dict[str, int], note: Note
    ) -> Callable[[int, Sequence[str]], Iterable[StagedOutcome]]:
        """Return a function that checks id, person, product, date and amounts of a row."""
        check = row_checker(connection, columns, self._settings, self._today).check
        return lambda number, cells: (check(number, cells),)

    def stage(self, connection: Connection, rows: Iterable[StagedOutcome], adds_to: int | None) -> None:
        """Copy the outcomes into a temporary table."""
        staging.stage(connection, rows)

    def merge(self, connection: Connection, batch: int, *, update: bool) -> MergeResult:
        """Create and correct outcomes."""
        merged = self.preview(connection, update=update)
        staging.store(connection, batch)
        return merged

    def preview(self, connection: Connection, *, update: bool) -> MergeResult:
        """Return how many outcomes would be created and corrected."""
        counts = staging.match(connection)
        created, corrected, existing = (counts.get(each, 0) for each in ("created", "corrected", "existing"))
        return MergeResult(created, corrected, existing, unmatched=counts.get("unmatched", 0))


def row_checker(
    connection: Connection, columns: dict[str, int], settings: Settings, today: dt.date
) -> OutcomeRows:
    """Return the check of rows against the products there are."""
    rows = connection.execute(select(Product.id, Product.code, Product.name)).all()
    products = {text.casefold(): row.id for row in rows for text in (row.code, row.name)}
    hasher = IdHasher(settings.id_hash_algorithm, settings.id_hash_key)
    return OutcomeRows(columns, products, hasher, today)


def result_json(result: ImportResult) -> dict[str, Any]:
    """Return the object that ``flask outcomes import --json`` prints."""
    return {
        "batch": result.batch,
        "read": result.read,
        "created": result.created,
        "corrected": result.updated,
        "existing": result.existing,
        "unmatched": result.unmatched,
        "rejected": result.rejected,
        "error_file": result.error_file,
    }


OUTCOMES = kinds.FileKind(
    OutcomeIntake.kind,
    HEADERS,
    (
        (("outcome_id",), N_("Choose which column has the outcome numbers.")),
        (_PERSON, N_("Choose which column has the lead numbers, or the ID numbers or their hashes.")),
        (("product",), N_("Choose which column has the products.")),
        (("date",), N_("Choose which column has the dates.")),
        (("amount",), N_("Choose which column has the amounts.")),
    ),
)
kinds.register(OUTCOMES, lambda batch, settings, today: OutcomeIntake(settings, today))
