"""Lead files uploaded on the screen: kept aside, imported in the background, then deleted."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from flask import current_app
from sqlalchemy import select, update
from werkzeug.datastructures import FileStorage

from app.errors import DomainError
from app.extensions import db
from app.leads.batches import open_batch
from app.leads.errors import LeadsError
from app.leads.importer import import_leads
from app.models import BatchStatus, ImportBatch
from config import Settings

EXTENSIONS = (".xlsx", ".xls", ".csv")


def accept(file: FileStorage, *, update_existing: bool, operator: str) -> int:
    """Keep the uploaded file and open the batch it will be imported under; the batch's id.

    Raises DomainError for a file whose name says that it is no lead file.
    """
    name = Path(file.filename or "").name
    suffix = Path(name).suffix.lower()
    if suffix not in EXTENSIONS:
        raise DomainError("“%(name)s” is not an Excel or CSV file (.xlsx, .xls, .csv).", name=name or "?")
    folder = _settings().data_dir / "uploads"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{uuid.uuid4().hex}{suffix}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as target:
            file.save(target)
        batch_id = open_batch(
            db.engine, path, file_name=name, operator=operator, update_existing=update_existing
        )
        _write(batch_id, upload=str(path))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return batch_id


def waiting() -> list[int]:
    """Batches that wait for their import, or whose importer was killed."""
    query = select(ImportBatch.id).where(
        ImportBatch.upload.is_not(None), ImportBatch.status == BatchStatus.RUNNING
    )
    return list(db.session.scalars(query.order_by(ImportBatch.id)))


def import_upload(batch_id: int) -> None:
    """Import the file of a waiting batch; does nothing when another process does, or it is done.

    Whatever happens, the uploaded file is deleted at the end; only a killed process leaves it, and then
    the ticker starts the import again.
    """
    batch = db.session.get(ImportBatch, batch_id, populate_existing=True)
    if batch is None or batch.upload is None:
        return
    path, name, operator, update_existing = (
        Path(batch.upload),
        batch.file_name,
        batch.created_by,
        batch.update_existing,
    )
    db.session.rollback()
    try:
        import_leads(
            db.engine,
            path,
            file_name=name,
            operator=operator,
            settings=_settings(),
            update=update_existing,
            batch_id=batch_id,
            progress=_Reporter(batch_id),
        )
    except LeadsError as error:
        if error.code == "batch_not_open":
            return
    path.unlink(missing_ok=True)
    _write(batch_id, upload=None, progress=100)


class _Reporter:
    """Writes the progress of an import to its row, at most once per percent."""

    def __init__(self, batch_id: int) -> None:
        self.batch_id = batch_id
        self.shown = -1

    def __call__(self, done: int, total: int | None) -> None:
        percent = min(99, done * 100 // total) if total else 0
        if percent != self.shown:
            self.shown = percent
            _write(self.batch_id, progress=percent)


def _write(batch_id: int, **values: object) -> None:
    with db.engine.begin() as connection:
        connection.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(**values))


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings
