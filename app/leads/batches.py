"""The rows of ``import_batch``: opened before an import, closed with it, never left running."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, text, update

from app.leads.error_file import remove_error_file
from app.leads.errors import N_, LeadsError, UnreadableFile
from app.leads.masking import mask_ids
from app.models import BatchStatus, ImportBatch
from config import Settings

_MAX_FILE_NAME = 255
_LOCK_CLASS = 0x1EAD
# A batch made by a screen waits in a queue before its import takes the lock.
_ABANDONED_AFTER = text("interval '1 hour'")


def open_batch(engine: Engine, path: Path, *, file_name: str, operator: str, update_existing: bool) -> int:
    """Write the row of a new, running batch, in a transaction of its own; its id.

    For a screen that starts the import in the background; ``import_leads`` does it itself otherwise.
    Raises UnreadableFile when ``path`` can't be read.
    """
    row = {
        "file_name": mask_ids(file_name)[-_MAX_FILE_NAME:],
        "file_digest": _digest(path, file_name),
        "update_existing": update_existing,
        "created_by": operator,
    }
    with engine.begin() as connection:
        return connection.execute(insert(ImportBatch).values(row).returning(ImportBatch.id)).scalar_one()


def _digest(path: Path, file_name: str) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        raise UnreadableFile(
            "file_unreadable", N_("%(file)s can't be opened"), file=mask_ids(file_name)
        ) from None


def hold_batch(connection: Connection, batch_id: int) -> None:
    """Own a running batch until the transaction ends; LeadsError when it isn't running or has an owner."""
    status = connection.scalar(select(ImportBatch.status).where(ImportBatch.id == batch_id))
    if status != BatchStatus.RUNNING or not _take_lock(connection, batch_id):
        raise LeadsError(
            "batch_not_open",
            N_("Import batch %(batch)s is done already or being imported by another process"),
            batch=batch_id,
        )


def _take_lock(connection: Connection, batch_id: int) -> bool:
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(_LOCK_CLASS, batch_id))))


def close_batch(connection: Connection, batch_id: int, status: BatchStatus, **columns: Any) -> None:
    """Give the batch its final status and figures."""
    values: Mapping[str, Any] = {"status": status, "finished_at": func.now(), **columns}
    connection.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(values))


def fail_abandoned(engine: Engine, settings: Settings) -> list[int]:
    """Mark as failed the batches whose import died (nothing of it is on the list); their ids.

    A batch counts as abandoned when nobody holds it an hour after it was opened.
    """
    old = ImportBatch.created_at < func.now() - _ABANDONED_AFTER
    with engine.begin() as connection:
        running = select(ImportBatch.id).where(ImportBatch.status == BatchStatus.RUNNING, old)
        abandoned = [batch for batch in connection.scalars(running) if _take_lock(connection, batch)]
        for batch in abandoned:
            remove_error_file(settings, batch)
            close_batch(connection, batch, BatchStatus.FAILED, error="The import was interrupted")
    return abandoned
