"""Lead files uploaded on the screen: kept aside, matched and checked, imported in the background, deleted.

A batch goes prepared → checking → checked → running; a person moves it on, the worker and the ticker finish
what was asked for. Nothing is on the list before it is running, and the file is gone when it ends.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import current_app
from sqlalchemy import Connection, func, select, update
from werkzeug.datastructures import FileStorage

from app.errors import DomainError
from app.extensions import db
from app.leads.batches import close_batch, hold_batch, open_batch, take_lock, why
from app.leads.dry_run import Examples, outcome
from app.leads.errors import ImportCancelled, LeadsError
from app.leads.importer import ImportResult, Rejected, import_leads
from app.leads.matching import finder, matched
from app.leads.preview import look_at
from app.leads.progress import Reporter
from app.models import BatchStatus, ImportBatch
from config import Settings

EXTENSIONS = (".xlsx", ".xls", ".csv")
KEPT = dt.timedelta(days=1)
#: an upload that waits for its person
WAITING = (BatchStatus.PREPARED, BatchStatus.CHECKED)
#: an upload that waits for a worker, or has one
WORKING = (BatchStatus.CHECKING, BatchStatus.RUNNING)
log = logging.getLogger(__name__)
_FRESH: dict[str, Any] = {"progress": 0, "rows_done": 0, "rows_total": None, "started_at": None}


def accept(file: FileStorage, *, operator: str) -> int:
    """Keep the uploaded file and open a prepared batch for it; the batch's id.

    Raises DomainError for a file whose name says that it is no lead file, UnreadableFile for one that
    can't be read as one.
    """
    name = Path(file.filename or "").name
    suffix = Path(name).suffix.lower()
    if suffix not in EXTENSIONS:
        raise DomainError("“%(name)s” is not an Excel or CSV file (.xlsx, .xls, .csv).", name=name or "?")
    path = _folder() / f"{uuid.uuid4().hex}{suffix}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as target:
            file.save(target)
        preview = look_at(path, name)
        return open_batch(
            db.engine,
            path,
            file_name=name,
            operator=operator,
            update_existing=False,
            status=BatchStatus.PREPARED,
            upload=str(path),
            preview=preview.as_json(),
            rows_total=preview.total,
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def match(batch: ImportBatch, chosen: Mapping[int, str]) -> None:
    """Keep the columns a person matched and ask for the dry run. Commits.

    Raises FieldError or DomainError for a match that can't be imported, LeadsError when the batch waits for
    no match.
    """
    columns = matched(chosen, len((batch.preview or {}).get("header", [])))
    _move(batch, WAITING, BatchStatus.CHECKING, columns=columns, checked=None)


def check(batch: ImportBatch, *, update_existing: bool) -> None:
    """Ask for the dry run again, with the other choice for people already there. Commits."""
    _move(batch, WAITING, BatchStatus.CHECKING, update_existing=update_existing, checked=None)


def start(batch: ImportBatch) -> None:
    """Ask for the import that was checked. Commits. Raises LeadsError when it wasn't or began already."""
    _move(batch, (BatchStatus.CHECKED,), BatchStatus.RUNNING)


def _move(batch: ImportBatch, start_from: tuple[BatchStatus, ...], to: BatchStatus, **values: object) -> None:
    """Change the status if it still is what the person saw."""
    moved = db.session.execute(
        update(ImportBatch)
        .where(ImportBatch.id == batch.id, ImportBatch.status.in_(start_from))
        .where(ImportBatch.upload.is_not(None))
        .values(status=to, queued_at=func.now(), cancel_requested=False, **_FRESH, **values)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    if not moved.rowcount:
        raise LeadsError(
            "batch_moved_on",
            "Import batch %(batch)s has moved on meanwhile; its page shows where it is.",
            batch=batch.id,
        )


def cancel(batch_id: int) -> bool:
    """Cancel an import: at once (True) while nobody works on it, else as soon as its worker notices.

    Raises LeadsError when it is over already.
    """
    with db.engine.begin() as connection:
        owned = take_lock(connection, batch_id)
        row = connection.execute(
            select(ImportBatch.status, ImportBatch.upload).where(ImportBatch.id == batch_id)
        ).one_or_none()
        if row is None or row.upload is None or row.status not in (*WAITING, *WORKING):
            raise LeadsError(
                "batch_over", "Import batch %(batch)s is over and can't be cancelled.", batch=batch_id
            )
        if not owned:
            asked = update(ImportBatch).where(ImportBatch.id == batch_id)
            connection.execute(asked.values(cancel_requested=True))
            return False
        close_batch(connection, batch_id, BatchStatus.CANCELLED, upload=None)
    Path(row.upload).unlink(missing_ok=True)
    return True


def discard_forgotten(now: dt.datetime) -> list[int]:
    """Cancel uploads that waited for their person for a day, and delete files no batch knows; their ids."""
    since = func.coalesce(ImportBatch.queued_at, ImportBatch.created_at)
    forgotten = select(ImportBatch.id).where(ImportBatch.status.in_(WAITING), since < now - KEPT)
    with db.engine.connect() as connection:
        ids = list(connection.scalars(forgotten.order_by(ImportBatch.id)))
    for batch_id in ids:
        with suppress(LeadsError):
            cancel(batch_id)
    _delete_unknown(now)
    return ids


def _delete_unknown(now: dt.datetime) -> None:
    old = [path for path in _folder().iterdir() if path.stat().st_mtime < (now - KEPT).timestamp()]
    if not old:
        return
    with db.engine.connect() as connection:
        open_ones = select(ImportBatch.upload).where(ImportBatch.status.in_((*WAITING, *WORKING)))
        known = set(connection.scalars(open_ones))
    for path in old:
        if str(path) not in known:
            path.unlink(missing_ok=True)


def waiting() -> list[int]:
    """Batches that wait for a worker, or whose worker was killed."""
    query = select(ImportBatch.id).where(ImportBatch.upload.is_not(None), ImportBatch.status.in_(WORKING))
    return list(db.session.scalars(query.order_by(ImportBatch.id)))


def work_on(batch_id: int) -> None:
    """Do what a batch waits for, its dry run or its import; nothing when another process does.

    The uploaded file is deleted when the batch ends; only a killed process leaves it, and then the ticker
    starts the work again.
    """
    with db.engine.connect() as connection:
        row = _read(connection, batch_id)
    if row is None or row.upload is None:
        return
    try:
        if row.status == BatchStatus.CHECKING:
            _check(batch_id)
        elif row.status == BatchStatus.RUNNING:
            _pass(row, batch_id=batch_id)
    except LeadsError as error:
        if error.code != "batch_not_open":
            log.info("import batch %s: %s", batch_id, error.code)
    finally:
        _delete_when_over(row)


def _read(connection: Connection, batch_id: int) -> Any:
    batch = ImportBatch
    query = select(
        *(batch.id, batch.status, batch.upload, batch.file_name, batch.created_by, batch.columns),
        *(batch.update_existing, batch.cancel_requested),
    )
    return connection.execute(query.where(batch.id == batch_id)).one_or_none()


def _check(batch_id: int) -> None:
    """The dry run. Its outcome is kept; a file that can't be read ends the batch."""
    with db.engine.begin() as owner:
        hold_batch(owner, batch_id, BatchStatus.CHECKING)
        row = _read(owner, batch_id)
        examples = Examples(row.columns)
        try:
            result = _pass(row, dry_run=True, rejected=examples)
            if _read(owner, batch_id).cancel_requested:
                raise ImportCancelled
        except ImportCancelled as error:
            close_batch(owner, batch_id, BatchStatus.CANCELLED, **why(error))
        except LeadsError as error:
            close_batch(owner, batch_id, BatchStatus.FAILED, **why(error))
        except Exception as error:  # noqa: BLE001 - the ticker would try for ever
            log.error("the dry run of import batch %s failed: %s", batch_id, type(error).__name__)
            kind = type(error).__name__
            failed = LeadsError("check_failed", "The check was interrupted (%(kind)s)", kind=kind)
            close_batch(owner, batch_id, BatchStatus.FAILED, **why(failed))
        else:
            values = {"status": BatchStatus.CHECKED, "checked": outcome(result, examples), "progress": 100}
            owner.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(**values))


def _pass(
    row: Any, *, dry_run: bool = False, batch_id: int | None = None, rejected: Rejected | None = None
) -> ImportResult:
    reporter = Reporter(db.engine, row.id)
    return import_leads(
        db.engine,
        Path(row.upload),
        file_name=row.file_name,
        operator=row.created_by,
        settings=_settings(),
        dry_run=dry_run,
        update=row.update_existing,
        batch_id=batch_id,
        progress=reporter,
        find=finder(row.columns),
        rejected=rejected,
        before_commit=reporter.stop_if_asked,
    )


def _delete_when_over(row: Any) -> None:
    over = (
        update(ImportBatch)
        .where(ImportBatch.id == row.id, ImportBatch.status.not_in((*WAITING, *WORKING)))
        .values(upload=None)
    )
    with db.engine.begin() as connection:
        ended = connection.execute(over).rowcount
    if ended:
        Path(row.upload).unlink(missing_ok=True)


def _folder() -> Path:
    folder = _settings().data_dir / "uploads"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings
