"""Import of a file: all of it or nothing, in one transaction, streaming."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from app.errors import N_
from app.leads import suppression
from app.leads.batches import close_batch, hold_batch, open_batch
from app.leads.branch_choices import NO_BRANCHES, BranchChoices, ChosenBranch, Unknown
from app.leads.columns import find_columns
from app.leads.error_file import ErrorFile, error_file_path, remove_error_file
from app.leads.errors import ImportCancelled, LeadsError, RowError, interrupted
from app.leads.identity import IdHasher
from app.leads.kinds import KINDS
from app.leads.masking import mask_ids
from app.leads.phone import PhoneVault
from app.leads.reader import FindColumns, LeadFile, open_lead_file
from app.leads.remarks import Note, Remarks
from app.leads.row_checker import RowChecker, StagedLead
from app.leads.samples import offending
from app.leads.staging import Merged, foresee, merge, stage
from app.leads.workbook import Limits
from app.lib import clock
from app.lib.database import connection_lost
from app.models import BatchStatus
from config import Settings

Progress = Callable[[int, int | None], None]
"""Called with the rows done and about how many there are (None: unknown). May raise to cancel."""

Rejected = Callable[[int, Sequence[str], RowError], None]
"""Called with each refused row: its number, its cells and why."""

_PROGRESS_EVERY = 2000
#: code of a LeadsError: the work is done again once the database is back
DATABASE_LOST = "database_lost"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImportResult:
    """What became of the rows of a file. ``batch`` and ``error_file`` are None in a dry run.

    ``branches`` are those that were, or in a dry run would be, created; ``remarks`` what was left out of rows
    that came in; ``oddities`` are the file's.
    """

    batch: int | None
    read: int
    created: int
    updated: int
    existing: int
    rejected: dict[str, int] = field(default_factory=dict)
    error_file: str | None = None
    branches: Unknown = NO_BRANCHES
    remarks: Remarks = field(default_factory=Remarks)
    oddities: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The object ``flask leads import --json`` prints."""
        told_otherwise = ("branches", "remarks", "oddities")
        return {name: value for name, value in vars(self).items() if name not in told_otherwise}


class Intake(Protocol):
    """What a kind of file is to an import: how its rows are checked, staged and brought in.

    All methods run in the import's transaction, in this order: ``checker``, ``stage``, and then ``merge``
    or, in a dry run, ``foresee``.
    """

    kind: str

    def checker(
        self, connection: Connection, columns: dict[str, int], note: Note
    ) -> Callable[[int, Sequence[str]], Iterable[Any]]:
        """A function that gives what to stage of a row, or raises RowError.

        ``note`` hears what it leaves out of a row, as ``Remarks.note``.
        """

    def stage(self, connection: Connection, rows: Iterable[Any]) -> None:
        """Take in what the checker gives, as it comes."""

    def merge(self, connection: Connection, batch: int, *, update: bool) -> Merged:
        """Bring in what was staged."""

    def foresee(self, connection: Connection, *, update: bool) -> Merged:
        """What ``merge`` would do."""


class LeadIntake:
    """A lead list. Without ``choices`` branches nobody knows are created at the top of the tree."""

    kind = "leads"

    def __init__(self, settings: Settings, choices: BranchChoices | None = None) -> None:
        self._settings = settings
        self._choices = choices

    def checker(
        self, connection: Connection, columns: dict[str, int], note: Note
    ) -> Callable[[int, Sequence[str]], Iterable[StagedLead]]:
        """Checks name, identity, phone and branch of a row."""
        settings = self._settings
        hasher = IdHasher(settings.id_hash_algorithm, settings.id_hash_key)
        branch_of = str if self._choices is None else ChosenBranch(connection, self._choices)
        check = RowChecker(columns, hasher, PhoneVault.of(settings), note, branch_of).check
        return lambda number, cells: (check(number, cells),)

    def stage(self, connection: Connection, rows: Iterable[StagedLead]) -> None:
        """Copy the leads into a temporary table."""
        stage(connection, rows)

    def merge(self, connection: Connection, batch: int, *, update: bool) -> Merged:
        """Create and update leads, and mark those on the do-not-disturb list."""
        merged = merge(connection, batch, update=update, choices=self._choices)
        suppression.refresh(connection, self._settings.today(clock.now(connection)))
        return merged

    def foresee(self, connection: Connection, *, update: bool) -> Merged:
        """How many leads would be created and updated."""
        return foresee(connection, update=update)


@dataclass(frozen=True)
class Order:
    """What is to be imported, and how.

    ``file_name`` is the file's name as the user knows it. ``update`` also changes people already on the
    list. ``batch_id`` continues a batch that ``open_batch`` made. ``looked_over`` is as
    for ``open_lead_file``. ``find`` gives the columns of the header; ``rejected`` hears of refused rows,
    ``before_commit`` is called in the last moment and may raise to cancel.
    """

    path: Path
    file_name: str
    operator: str
    settings: Settings
    find: FindColumns = find_columns
    dry_run: bool = False
    update: bool = False
    batch_id: int | None = None
    looked_over: bool = False
    progress: Progress = lambda done, total: None
    rejected: Rejected = lambda number, cells, error: None
    before_commit: Callable[[], None] = lambda: None


def import_leads(
    engine: Engine,
    path: Path,
    *,
    file_name: str,
    operator: str,
    settings: Settings,
    choices: BranchChoices | None = None,
    **options: Any,
) -> ImportResult:
    """Bring the people in a lead file onto the list; ``options`` are further ones of Order. As run_import."""
    order = Order(path, file_name, operator, settings, **options)
    return run_import(engine, order, LeadIntake(settings, choices))


def run_import(engine: Engine, order: Order, intake: Intake) -> ImportResult:
    """Bring in the rows of a file, or say what would happen (a dry run).

    Nothing is written unless everything is: on any error the batch is marked failed (cancelled for
    ImportCancelled) and all is as before. Raises UnreadableFile when the file isn't of the kind, LeadsError
    for other refusals, and whatever ``progress`` and ``before_commit`` raise to cancel.
    """
    order = replace(order, file_name=mask_ids(order.file_name))
    if order.dry_run:
        try:
            return _Run(order, intake, None).execute(engine)
        except (SQLAlchemyError, psycopg.Error) as error:
            raise _refused_by_database(error) from None
    batch_id = order.batch_id
    if batch_id is None:
        batch_id = open_batch(
            engine,
            order.path,
            file_name=order.file_name,
            operator=order.operator,
            update_existing=order.update,
            kind=intake.kind,
        )
    try:
        result = _Run(order, intake, batch_id).execute(engine)
    except BaseException as error:
        # The ticker starts an uploaded file's import again.
        if order.batch_id is None or not database_lost(error):
            _fail(engine, order.settings, batch_id, error)
        if isinstance(error, SQLAlchemyError | psycopg.Error):
            raise _refused_by_database(error) from None
        raise
    _LOG.info("import batch %s by %s: %s", batch_id, order.operator, result.as_json())
    return result


def _fail(engine: Engine, settings: Settings, batch_id: int, error: BaseException) -> None:
    if isinstance(error, LeadsError) and error.code == "batch_not_open":
        return
    remove_error_file(settings, batch_id)
    status = BatchStatus.CANCELLED if isinstance(error, ImportCancelled) else BatchStatus.FAILED
    if not isinstance(error, LeadsError):
        error = interrupted(
            "import_interrupted", N_("The import was interrupted (%(kind)s)"), error, _kind(error)
        )
    try:
        with engine.begin() as connection:
            close_batch(connection, batch_id, status, error=error.said)
    except SQLAlchemyError as second:
        _LOG.error("import batch %s failed and could not be marked so (%s)", batch_id, _kind(second))


def _refused_by_database(error: BaseException) -> LeadsError:
    """The refusal without the database's words, which quote the row."""
    if database_lost(error):
        return LeadsError(DATABASE_LOST, N_("The connection to the database was lost"))
    return LeadsError("import_failed", N_("The database refused the import (%(kind)s)"), kind=_kind(error))


def database_lost(error: BaseException) -> bool:
    """Whether an error, or the refusal made of it, means that the database went away."""
    return error.code == DATABASE_LOST if isinstance(error, LeadsError) else connection_lost(error)


def _kind(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    return getattr(origin, "sqlstate", None) or type(origin).__name__


class _Run:
    """One pass over one file. Without a batch it is dry."""

    def __init__(self, order: Order, intake: Intake, batch: int | None) -> None:
        self._order = order
        self._intake = intake
        self._batch = batch
        self._read = 0
        self._rejected: Counter[str] = Counter()
        self._remarks = Remarks()
        self._oddities: list[str] = []

    def execute(self, engine: Engine) -> ImportResult:
        """Read, stage and merge; commit unless dry."""
        order, intake = self._order, self._intake
        with engine.connect() as connection, connection.begin() as transaction:
            if self._batch is not None:
                hold_batch(connection, self._batch)
            file = open_lead_file(
                order.path,
                order.file_name,
                order.find,
                limits=Limits.of(order.settings),
                looked_over=order.looked_over,
            )
            self._oddities = file.oddities
            with self._error_file(file) as errors:
                self._remarks = Remarks(file.header, file.columns)
                check = intake.checker(connection, file.columns, self._remarks.note)
                intake.stage(connection, self._accepted(file, check, errors))
                if self._batch is None:
                    merged = intake.foresee(connection, update=order.update)
                    transaction.rollback()
                    return self._result(merged)
                result = self._result(intake.merge(connection, self._batch, update=order.update), errors)
                order.before_commit()
                self._close(connection, self._batch, result)
                if errors and result.error_file:
                    errors.keep()
        return result

    def _error_file(self, file: LeadFile) -> AbstractContextManager[ErrorFile | None]:
        if self._batch is None:
            return nullcontext()
        settings = self._order.settings
        return ErrorFile(
            error_file_path(settings, self._batch, ".csv" if file.is_text else ".xlsx"),
            file.header,
            file.columns,
            KINDS[self._intake.kind].headers,
            IdHasher(settings.id_hash_algorithm, settings.id_hash_key),
        )

    def _accepted(
        self,
        file: LeadFile,
        check: Callable[[int, Sequence[str]], Iterable[Any]],
        errors: ErrorFile | None,
    ) -> Iterator[Any]:
        report, notice = self._order.progress, self._order.rejected
        for number, cells, fault in file.rows:
            self._read += 1
            if self._read % _PROGRESS_EVERY == 0:
                report(self._read, max(file.total, self._read))
            try:
                if fault is not None:
                    raise fault
                yield from check(number, cells)
            except RowError as error:
                self._rejected[error.reason] += 1
                error.value = offending(error.fields, cells, file.columns)
                notice(number, cells, error)
                if errors:
                    errors.add(number, cells, error)
        report(self._read, self._read)

    def _result(self, merged: Merged, errors: ErrorFile | None = None) -> ImportResult:
        path = str(errors.path) if errors and errors.rows else None
        counts = (merged.created, merged.updated, merged.existing)
        return ImportResult(
            self._batch,
            self._read,
            *counts,
            rejected=dict(self._rejected),
            error_file=path,
            branches=merged.branches,
            remarks=self._remarks,
            oddities=self._oddities,
        )

    def _close(self, connection: Connection, batch: int, result: ImportResult) -> None:
        close_batch(
            connection,
            batch,
            BatchStatus.DONE,
            rows_read=result.read,
            rows_created=result.created,
            rows_updated=result.updated,
            rows_existing=result.existing,
            rejected=result.rejected,
            error_file=result.error_file,
            remarks=result.remarks.as_json(),
        )
