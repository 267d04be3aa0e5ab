"""Import of a lead file: all of it or nothing, in one transaction, streaming."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from app.leads import suppression
from app.leads.batches import close_batch, hold_batch, open_batch, why
from app.leads.columns import find_columns
from app.leads.error_file import ErrorFile, error_file_path, remove_error_file
from app.leads.errors import N_, ImportCancelled, LeadsError, RowError
from app.leads.identity import IdHasher
from app.leads.masking import mask_ids
from app.leads.phone import PhoneVault
from app.leads.reader import FindColumns, LeadFile, open_lead_file
from app.leads.rows import RowChecker, StagedLead
from app.leads.staging import merge, merge_dry, stage
from app.models import BatchStatus
from config import Settings

Progress = Callable[[int, int | None], None]
"""Called with the rows done and about how many there are (None: unknown). May raise to cancel."""

Rejected = Callable[[int, Sequence[str], RowError], None]
"""Called with each refused row: its number, its cells and why."""

_PROGRESS_EVERY = 2000
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImportResult:
    """What became of the rows of a file. ``batch`` and ``error_file`` are None in a dry run."""

    batch: int | None
    read: int
    created: int
    updated: int
    existing: int
    rejected: dict[str, int] = field(default_factory=dict)
    error_file: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The object ``flask leads import --json`` prints."""
        return dict(vars(self))


def import_leads(
    engine: Engine,
    path: Path,
    *,
    file_name: str,
    operator: str,
    settings: Settings,
    dry_run: bool = False,
    update: bool = False,
    batch_id: int | None = None,
    progress: Progress | None = None,
    find: FindColumns = find_columns,
    rejected: Rejected | None = None,
    before_commit: Callable[[], None] | None = None,
) -> ImportResult:
    """Bring the people in a lead file onto the list, or say what would happen (``dry_run``).

    ``file_name`` is the file's name as the user knows it. ``update`` also changes people already on the
    list. ``batch_id`` continues a batch that ``open_batch`` made. ``find`` gives the columns of the header,
    by default those it names; ``rejected`` hears of refused rows. Nothing is written unless everything is:
    on any error the batch is marked failed (cancelled for ImportCancelled) and the list is as before.
    Raises UnreadableFile when the file isn't a lead list, LeadsError for other refusals, and whatever
    ``progress`` and ``before_commit``, called in the last moment, raise to cancel.
    """
    file = mask_ids(file_name)
    if dry_run:
        try:
            return _Run(settings, path, file, None, progress, find, rejected).execute(engine, update=update)
        except (SQLAlchemyError, psycopg.Error) as error:
            raise _refused_by_database(error) from None
    if batch_id is None:
        batch_id = open_batch(engine, path, file_name=file, operator=operator, update_existing=update)
    try:
        run = _Run(settings, path, file, batch_id, progress, find, rejected, before_commit)
        result = run.execute(engine, update=update)
    except BaseException as error:
        _fail(engine, settings, batch_id, error)
        if isinstance(error, SQLAlchemyError | psycopg.Error):
            raise _refused_by_database(error) from None
        raise
    _LOG.info("import batch %s by %s: %s", batch_id, operator, result.as_json())
    return result


def _fail(engine: Engine, settings: Settings, batch_id: int, error: BaseException) -> None:
    if isinstance(error, LeadsError) and error.code == "batch_not_open":
        return
    remove_error_file(settings, batch_id)
    status = BatchStatus.CANCELLED if isinstance(error, ImportCancelled) else BatchStatus.FAILED
    if not isinstance(error, LeadsError):
        error = LeadsError(
            "import_interrupted", N_("The import was interrupted (%(kind)s)"), kind=_kind(error)
        )
    try:
        with engine.begin() as connection:
            close_batch(connection, batch_id, status, **why(error))
    except SQLAlchemyError as second:
        _LOG.error("import batch %s failed and could not be marked so (%s)", batch_id, _kind(second))


def _refused_by_database(error: BaseException) -> LeadsError:
    """The refusal without the database's words, which quote the row."""
    return LeadsError("import_failed", N_("The database refused the import (%(kind)s)"), kind=_kind(error))


def _kind(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    return getattr(origin, "sqlstate", None) or type(origin).__name__


class _Run:
    """One pass over one file. Without a batch it is dry."""

    def __init__(
        self,
        settings: Settings,
        path: Path,
        file: str,
        batch: int | None,
        progress: Progress | None,
        find: FindColumns,
        rejected: Rejected | None,
        before_commit: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._path = path
        self._file = file
        self._batch = batch
        self._progress = progress or (lambda done, total: None)
        self._find = find
        self._before_commit = before_commit or (lambda: None)
        self._notice = rejected or (lambda number, cells, error: None)
        self._read = 0
        self._rejected: Counter[str] = Counter()

    def execute(self, engine: Engine, *, update: bool) -> ImportResult:
        """Read, stage and merge; commit unless dry."""
        with engine.connect() as connection, connection.begin() as transaction:
            if self._batch is not None:
                hold_batch(connection, self._batch)
            leads = open_lead_file(self._path, self._file, self._find)
            with self._error_file(leads) as errors:
                stage(connection, self._accepted(leads, errors))
                if self._batch is None:
                    merged = merge_dry(connection, update=update)
                    transaction.rollback()
                    return self._result(*merged)
                result = self._result(*merge(connection, self._batch, update=update), errors)
                suppression.refresh(connection, dt.datetime.now(self._settings.zone).date())
                self._before_commit()
                self._close(connection, self._batch, result)
                if errors and result.error_file:
                    errors.keep()
        return result

    def _error_file(self, leads: LeadFile) -> AbstractContextManager[ErrorFile | None]:
        if self._batch is None:
            return nullcontext()
        return ErrorFile(error_file_path(self._settings, self._batch), leads.header, leads.columns)

    def _accepted(self, leads: LeadFile, errors: ErrorFile | None) -> Iterator[StagedLead]:
        settings = self._settings
        hasher = IdHasher(settings.id_hash_algorithm, settings.id_hash_key)
        check = RowChecker(leads.columns, hasher, PhoneVault.of(settings)).check
        for number, cells in leads.rows:
            self._read += 1
            if self._read % _PROGRESS_EVERY == 0:
                self._progress(self._read, max(leads.total, self._read))
            try:
                yield check(number, cells)
            except RowError as error:
                self._rejected[error.reason] += 1
                self._notice(number, cells, error)
                if errors:
                    errors.add(number, cells, error)
        self._progress(self._read, self._read)

    def _result(
        self, created: int, updated: int, existing: int, errors: ErrorFile | None = None
    ) -> ImportResult:
        path = str(errors.path) if errors and errors.rows else None
        return ImportResult(self._batch, self._read, created, updated, existing, dict(self._rejected), path)

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
        )
