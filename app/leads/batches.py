"""Import batches: rows that are opened before an import, closed with it, and never left running."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, case, func, insert, select, text, update

from app.errors import N_
from app.jobs.locks import Lock, try_lock
from app.leads.error_file import remove_error_file
from app.leads.errors import LeadsError, UnreadableFile
from app.leads.masking import mask_ids
from app.lib import clock
from app.models import BatchStatus, ImportBatch
from config import Settings

_MAX_FILE_NAME = 255
# A batch created by a screen waits in a queue before its import takes the lock.
_ABANDONED_AFTER = text("interval '1 hour'")
_UPLOAD_KEPT = text("interval '1 day'")
#: time for which the file of a batch that was given up is kept and can be started again
GIVEN_UP_KEPT = dt.timedelta(days=7)


def open_batch(
    engine: Engine, path: Path, *, file_name: str, user: str, update_existing: bool, **columns: Any
) -> int:
    """Store a new batch in a transaction of its own. Return its id.

    ``columns`` are further columns of the row; without a status among them the batch is running. Raises
    UnreadableFile when ``path`` can't be read.
    """
    row = {
        "file_name": mask_ids(file_name)[-_MAX_FILE_NAME:],
        "file_digest": _digest(path, file_name),
        "update_existing": update_existing,
        "created_by": user,
        **columns,
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


def hold_batch(connection: Connection, batch_id: int, *statuses: BatchStatus) -> None:
    """Lock a batch until the transaction ends.

    Raises LeadsError when it is locked or has none of the statuses, by default running.
    """
    # The lock comes first, because its previous owner may have changed the status.
    owned = take_lock(connection, batch_id)
    stored = connection.scalar(select(ImportBatch.status).where(ImportBatch.id == batch_id))
    if not owned or stored not in (statuses or (BatchStatus.RUNNING,)):
        raise LeadsError(
            "batch_not_open",
            N_("Import batch %(batch)s has already finished or is being imported by another process"),
            batch=batch_id,
        )


def take_lock(connection: Connection, batch_id: int) -> bool:
    """Lock a batch until the transaction ends, whatever its status.

    Return False when another process has it.
    """
    return try_lock(connection, Lock.IMPORT, batch_id)


def close_batch(connection: Connection, batch_id: int, status: BatchStatus, **columns: Any) -> None:
    """Set the final status and figures of a batch, and delete what the screens kept of its rows."""
    values: dict[str, Any] = {"status": status, "finished_at": clock.BEGAN, "preview": None, "checked": None}
    values |= columns
    connection.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(values))


def _interrupted(row: Any) -> LeadsError:
    if row.upload is None:
        return LeadsError("import_interrupted", N_("The import was interrupted"))
    return LeadsError(
        "import_interrupted",
        N_(
            "The import of “%(file)s” was interrupted."
            " The file is kept for %(days)s days and can be started again."
        ),
        file=row.file_name,
        days=GIVEN_UP_KEPT.days,
    )


def fail_abandoned(engine: Engine, settings: Settings) -> list[int]:
    """Mark the batches whose import died as failed. Return their ids.

    Such an import has changed nothing. A batch counts as abandoned when nobody has it locked an hour after it
    was opened. One with an uploaded file has a day, because the ticker starts it again; its file is kept so
    that a user can start it again, too.
    """
    since = func.coalesce(ImportBatch.queued_at, ImportBatch.created_at)
    deadline = case((ImportBatch.upload.is_(None), _ABANDONED_AFTER), else_=_UPLOAD_KEPT)
    with engine.begin() as connection:
        running = select(ImportBatch.id, ImportBatch.upload, ImportBatch.file_name).where(
            ImportBatch.status.in_((BatchStatus.READING, BatchStatus.CHECKING, BatchStatus.RUNNING)),
            since < clock.BEGAN - deadline,
        )
        abandoned = [row for row in connection.execute(running) if take_lock(connection, row.id)]
        for row in abandoned:
            remove_error_file(settings, row.id)
            close_batch(connection, row.id, BatchStatus.FAILED, error=_interrupted(row).said)
    return [row.id for row in abandoned]
