"""Import of a file: all or nothing, in one transaction, streaming the rows."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from app.errors import N_
from app.leads import suppression
from app.leads.batches import close_batch, hold_batch, open_batch
from app.leads.blocks import Block, blocks
from app.leads.branch_choices import NO_BRANCHES, BranchChoices, ChosenBranch, UnknownBranches
from app.leads.columns import find_columns
from app.leads.error_file import ErrorFile, error_file_path, remove_error_file
from app.leads.errors import ImportCancelled, LeadsError, RowError, interrupted
from app.leads.identity import IdHasher
from app.leads.kinds import LEADS
from app.leads.masking import mask_ids
from app.leads.phone import PhoneVault
from app.leads.reader import FindColumns, LeadFile, open_lead_file
from app.leads.remarks import Note, Remarks
from app.leads.row_checker import RowChecker, StagedLead
from app.leads.samples import offending_value
from app.leads.staging import Merge, MergeResult, preview
from app.leads.workbook import Limits
from app.lib import clock
from app.lib.database import connection_lost
from app.models import BatchStatus
from config import Settings

Progress = Callable[[int, int | None], None]
"""Called with the rows done and their approximate total (None when unknown). May raise to cancel."""

Rejected = Callable[[int, Sequence[str], RowError], None]
"""Called with the number, cells and error of each rejected row."""

_PROGRESS_EVERY = 2000
#: code of the LeadsError for work that is repeated once the database is back
DATABASE_LOST = "database_lost"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImportResult:
    """The result of an import. ``batch`` and ``error_file`` are None in a dry run.

    ``branches`` are those that were or would be created, ``remarks`` tell what was left out of accepted rows,
    and ``oddities`` are those of the file. ``unmatched`` counts rows about nobody on the list.
    """

    batch: int | None
    read: int
    created: int
    updated: int
    existing: int
    rejected: dict[str, int] = field(default_factory=dict)
    error_file: str | None = None
    branches: UnknownBranches = NO_BRANCHES
    remarks: Remarks = field(default_factory=Remarks)
    oddities: list[str] = field(default_factory=list)
    unmatched: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``flask leads import --json`` prints."""
        reported_elsewhere = ("branches", "remarks", "oddities", "unmatched")
        return {name: value for name, value in vars(self).items() if name not in reported_elsewhere}


class _Staging(Protocol):
    """How the checked rows of a kind of file are staged and merged."""

    kind: str

    @property
    def headers(self) -> Mapping[str, Sequence[str]]:
        """The accepted names of each field."""

    def stage(self, connection: Connection, rows: Iterable[Any], adds_to: int | None) -> None:
        """Stage the checked rows as they come.

        Those of an import that only adds, to the batch ``adds_to``, may be merged at once.
        """

    def merge(self, connection: Connection, batch: int, *, update: bool) -> MergeResult:
        """Merge the staged rows."""

    def preview(self, connection: Connection, *, update: bool) -> MergeResult:
        """Return what ``merge`` would do."""


class Intake(_Staging, Protocol):
    """How the rows of a kind of file are checked, staged and merged.

    All methods run in the import's transaction, in this order: ``checker``, ``stage``, and then ``merge`` or,
    in a dry run, ``preview``.
    """

    def checker(
        self, connection: Connection, columns: dict[str, int], note: Note
    ) -> Callable[[int, Sequence[str]], Iterable[Any]]:
        """Return a function that returns what to stage of a row, or raises RowError.

        It reports what it leaves out of a row to ``note``, as to ``Remarks.note``.
        """


@runtime_checkable
class BlockIntake(_Staging, Protocol):
    """An intake that checks blocks of rows by their columns instead of row by row."""

    def block_checker(
        self, connection: Connection, columns: dict[str, int]
    ) -> Callable[[Block], tuple[Any, dict[int, RowError]]]:
        """Return a function that returns what to stage of a block, and the errors by position."""

    def take_back(self) -> None:
        """Undo what was done outside the database for an import that has failed."""


class LeadIntake:
    """Intake of a lead list. Without ``choices``, unknown branches are created at the top of the tree."""

    kind = "leads"
    headers = LEADS.headers

    def __init__(self, settings: Settings, choices: BranchChoices | None = None) -> None:
        self._settings = settings
        self._choices = choices
        self._merge = Merge(choices)
        self._brings_numbers = True

    def checker(
        self, connection: Connection, columns: dict[str, int], note: Note
    ) -> Callable[[int, Sequence[str]], Iterable[StagedLead]]:
        """Return a function that checks name, identity, phone and branch of a row."""
        settings = self._settings
        self._brings_numbers = "lead_no" in columns
        hasher = IdHasher(settings.id_hash_algorithm, settings.id_hash_key)
        branch_of = str if self._choices is None else ChosenBranch(connection, self._choices)
        check = RowChecker(columns, hasher, PhoneVault.of(settings), note, branch_of).check
        return lambda number, cells: (check(number, cells),)

    def stage(self, connection: Connection, rows: Iterable[StagedLead], adds_to: int | None) -> None:
        """Copy the leads into a temporary table, and add them in parts while the next ones are read."""
        self._merge.stage(connection, rows, adds_to, brings_numbers=self._brings_numbers)

    def merge(self, connection: Connection, batch: int, *, update: bool) -> MergeResult:
        """Create and update leads, and mark those on the do-not-disturb list as opted out."""
        merged = self._merge.finish(connection, batch, update=update)
        suppression.refresh(connection, self._settings.today(clock.now(connection)))
        return merged

    def preview(self, connection: Connection, *, update: bool) -> MergeResult:
        """Return how many leads would be created and updated."""
        return preview(connection, update=update)


@dataclass(frozen=True)
class ImportOrder:
    """What to import, and how.

    ``file_name`` is the file's name as the user knows it. With ``update``, people already on the list are
    changed, too. ``batch_id`` continues a batch of ``open_batch``. ``inspected`` is as in ``open_lead_file``.
    ``find`` returns the columns of the header, ``rejected`` is called with rejected rows, and
    ``before_commit`` is called last and may raise to cancel. A new batch is given ``options``.
    """

    path: Path
    file_name: str
    user: str
    settings: Settings
    find: FindColumns = find_columns
    dry_run: bool = False
    update: bool = False
    batch_id: int | None = None
    inspected: bool = False
    progress: Progress = lambda done, total: None
    rejected: Rejected = lambda number, cells, error: None
    before_commit: Callable[[], None] = lambda: None
    options: Mapping[str, Any] = field(default_factory=dict)


def import_leads(
    engine: Engine,
    path: Path,
    *,
    file_name: str,
    user: str,
    settings: Settings,
    choices: BranchChoices | None = None,
    **options: Any,
) -> ImportResult:
    """Import a lead file as ``run_import`` does; ``options`` are further fields of ImportOrder."""
    order = ImportOrder(path, file_name, user, settings, **options)
    return run_import(engine, order, LeadIntake(settings, choices))


def run_import(engine: Engine, order: ImportOrder, intake: Intake | BlockIntake) -> ImportResult:
    """Import the rows of a file, or determine what an import would do (a dry run). Return the result.

    All rows are written or none: on any error the batch is marked as failed (as cancelled for
    ImportCancelled) and nothing else changes. Raises UnreadableFile when the file isn't of the kind,
    LeadsError for other refusals, and whatever ``progress`` and ``before_commit`` raise to cancel.
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
            user=order.user,
            update_existing=order.update,
            kind=intake.kind,
            options=dict(order.options),
        )
    try:
        result = _Run(order, intake, batch_id).execute(engine)
    except BaseException as error:
        if isinstance(intake, BlockIntake):
            intake.take_back()
        # The ticker will start the import of an uploaded file again.
        if order.batch_id is None or not database_lost(error):
            _fail(engine, order.settings, batch_id, error)
        if isinstance(error, SQLAlchemyError | psycopg.Error):
            raise _refused_by_database(error) from None
        raise
    _LOG.info("import batch %s by %s: %s", batch_id, order.user, result.as_json())
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
    """Return a refusal without the database's message, which quotes the row."""
    if database_lost(error):
        return LeadsError(DATABASE_LOST, N_("The connection to the database was lost"))
    return LeadsError("import_failed", N_("The database refused the import (%(kind)s)"), kind=_kind(error))


def database_lost(error: BaseException) -> bool:
    """Return whether an error, or the refusal made of it, means that the database connection was lost."""
    return error.code == DATABASE_LOST if isinstance(error, LeadsError) else connection_lost(error)


def _kind(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    return getattr(origin, "sqlstate", None) or type(origin).__name__


class _Run:
    """One pass over one file; a dry run without a batch."""

    def __init__(self, order: ImportOrder, intake: Intake | BlockIntake, batch: int | None) -> None:
        self._order = order
        self._intake = intake
        self._batch = batch
        self._read = 0
        self._rejected: Counter[str] = Counter()
        self._remarks = Remarks()
        self._oddities: list[str] = []

    def execute(self, engine: Engine) -> ImportResult:
        """Read, stage and merge the rows, and commit unless this is a dry run."""
        order, intake = self._order, self._intake
        with engine.connect() as connection, connection.begin() as transaction:
            if self._batch is not None:
                hold_batch(connection, self._batch)
            file = open_lead_file(
                order.path,
                order.file_name,
                order.find,
                limits=Limits.of(order.settings),
                inspected=order.inspected,
            )
            self._oddities = file.oddities
            with self._error_file(file) as errors:
                self._remarks = Remarks(file.header, file.columns)
                adds_to = None if order.update else self._batch
                intake.stage(connection, self._accepted(connection, file, errors), adds_to)
                if self._batch is None:
                    merged = intake.preview(connection, update=order.update)
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
            self._intake.headers,
            IdHasher(settings.id_hash_algorithm, settings.id_hash_key),
        )

    def _accepted(self, connection: Connection, file: LeadFile, errors: ErrorFile | None) -> Iterator[Any]:
        """Return the rows to stage. The check is made here: within COPY the connection answers no query."""
        intake = self._intake
        if isinstance(intake, BlockIntake):
            rows = self._blocks(file, intake.block_checker(connection, file.columns), errors)
        else:
            check = intake.checker(connection, file.columns, self._remarks.note)
            rows = self._rows(file, check, errors)
        return self._to_the_end(rows)

    def _to_the_end(self, rows: Iterator[Any]) -> Iterator[Any]:
        yield from rows
        self._order.progress(self._read, self._read)

    def _rows(
        self,
        file: LeadFile,
        check: Callable[[int, Sequence[str]], Iterable[Any]],
        errors: ErrorFile | None,
    ) -> Iterator[Any]:
        for number, cells, fault in file.rows:
            self._read += 1
            if self._read % _PROGRESS_EVERY == 0:
                self._order.progress(self._read, max(file.total, self._read))
            try:
                if fault is not None:
                    raise fault
                yield from check(number, cells)
            except RowError as error:
                self._refuse(file, number, cells, error, errors)

    def _blocks(
        self,
        file: LeadFile,
        check: Callable[[Block], tuple[Any, dict[int, RowError]]],
        errors: ErrorFile | None,
    ) -> Iterator[Any]:
        for block in blocks(self._order.path, self._order.file_name, file):
            accepted, refused = check(block)
            for at, error in sorted(refused.items()):
                self._refuse(file, int(block.numbers[at]), block.cells(at), error, errors)
            self._read += len(block)
            self._order.progress(self._read, max(file.total, self._read))
            yield accepted

    def _refuse(
        self, file: LeadFile, number: int, cells: Sequence[str], error: RowError, errors: ErrorFile | None
    ) -> None:
        self._rejected[error.reason] += 1
        error.value = offending_value(error.fields, cells, file.columns)
        self._order.rejected(number, cells, error)
        if errors:
            errors.add(number, cells, error)

    def _result(self, merged: MergeResult, errors: ErrorFile | None = None) -> ImportResult:
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
            unmatched=merged.unmatched,
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
            rows_unmatched=result.unmatched,
            rejected=result.rejected,
            error_file=result.error_file,
            remarks=result.remarks.as_json(),
        )
