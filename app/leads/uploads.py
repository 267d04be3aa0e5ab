"""Uploaded files: stored, matched, checked, imported in the background and deleted.

A batch goes from reading to prepared, checking, checked and running. A user requests each step; the worker
(app/leads/upload_worker.py) and the ticker carry it out. No list is changed before the batch is running. The
file is deleted when the batch ends, or after GIVEN_UP_KEPT when it was given up.
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from werkzeug.datastructures import FileStorage

from app.errors import FieldError
from app.extensions import db
from app.leads import number_limit
from app.leads.batches import GIVEN_UP_KEPT, close_batch, open_batch, take_lock
from app.leads.branch_choices import BranchChoices
from app.leads.errors import LeadsError, UnreadableFile
from app.leads.kinds import KINDS, LEADS, FileKind
from app.leads.matching import columns_from_choices
from app.leads.preview import Preview, preview_file
from app.leads.reader import wrong_extension
from app.leads.workbook import INTERACTIVE_LIMITS, LIMIT_CODES
from app.lib import clock
from app.lib.settings import current_settings
from app.lib.spreadsheet import printable_name
from app.models import BatchStatus, ImportBatch

EXTENSIONS = (".xlsx", ".xls", ".csv", ".parquet")
KEPT = dt.timedelta(days=1)
#: statuses of uploads that wait for their user
WAITING = (BatchStatus.PREPARED, BatchStatus.CHECKED)
#: statuses of uploads that wait for a worker or have one
WORKING = (BatchStatus.READING, BatchStatus.CHECKING, BatchStatus.RUNNING)
_FRESH: dict[str, Any] = {"progress": 0, "rows_done": 0, "rows_total": None, "started_at": None}
_FRESH["attempts"] = 0
#: files up to this size are previewed while the user waits, if that is fast enough
_SMALL_BYTES = 4 << 20


def accept(
    file: FileStorage, *, user: str, kind: FileKind = LEADS, options: Mapping[str, Any] | None = None
) -> ImportBatch:
    """Store the uploaded file, open a batch for it, commit and return the batch.

    A small file is previewed at once and its batch is prepared; a large one is left to a worker
    (``reading``). Raises DomainError for a file with another extension, and UnreadableFile for a small file
    that can't be read.
    """
    name = printable_name(Path(file.filename or "").name)
    suffix = Path(name).suffix.lower()
    if suffix not in EXTENSIONS:
        raise wrong_extension(name)
    path = _folder() / f"{uuid.uuid4().hex}{suffix}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as target:
            file.save(target)
        preview = _preview_at_once(path, name, kind)
        batch_id = open_batch(
            db.engine,
            path,
            file_name=name,
            user=user,
            update_existing=False,
            kind=kind.name,
            options=dict(options or {}),
            status=BatchStatus.PREPARED if preview else BatchStatus.READING,
            queued_at=clock.BEGAN,
            upload=str(path),
            preview=preview.as_json() if preview else None,
            rows_total=preview.total if preview else None,
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return db.session.get_one(ImportBatch, batch_id)


def _preview_at_once(path: Path, name: str, kind: FileKind) -> Preview | None:
    """Return the preview, None when it would take long.

    Raises UnreadableFile for a file no worker could read.
    """
    if path.stat().st_size > _SMALL_BYTES:
        return None
    try:
        return preview_file(path, name, kind, limits=INTERACTIVE_LIMITS)
    except UnreadableFile as error:
        if error.code in LIMIT_CODES:
            return None
        raise


def match(batch: ImportBatch, choices: Mapping[int, str]) -> None:
    """Store the matched columns, request the dry run and commit.

    Raises FieldError or DomainError for an invalid match, and LeadsError when the batch can't be matched now.
    """
    columns = columns_from_choices(choices, len((batch.preview or {}).get("header", [])), KINDS[batch.kind])
    _check(batch, WAITING, columns=columns)


def check(batch: ImportBatch, *, update_existing: bool) -> None:
    """Request the dry run again, with a new choice for people already on the list, and commit."""
    _check(batch, WAITING, update_existing=update_existing)


def choose_branches(batch: ImportBatch, choices: BranchChoices) -> None:
    """Store choices about unknown branches, request the dry run again and commit.

    Earlier choices are kept. Raises FieldError for ``branch_<place>`` of an undecided name, and LeadsError
    when the batch isn't checked.
    """
    before = BranchChoices.of_json(batch.options.get("branches"))
    merged = BranchChoices({**before.names, **choices.names}, choices.rest or before.rest)
    for place, name in enumerate(before.undecided(_unknown_names(batch))):
        if merged.undecided([name]):
            raise FieldError(f"branch_{place}", "Choose what to do with “%(name)s”.", name=name)
    options = {**batch.options, "branches": merged.as_json()}
    _check(batch, (BatchStatus.CHECKED,), options=options)


def reset_branches(batch: ImportBatch) -> None:
    """Discard all choices about branches, request the dry run again and commit."""
    options = {name: value for name, value in batch.options.items() if name != "branches"}
    _check(batch, (BatchStatus.CHECKED,), options=options)


def count_undecided(batch: ImportBatch) -> int:
    """Return the number of undecided branch names of a checked file."""
    if batch.kind != LEADS.name or not batch.checked:
        return 0
    choices = BranchChoices.of_json(batch.options.get("branches"))
    names = _unknown_names(batch)
    more = int(batch.checked.get("branches", {}).get("names", 0)) - len(names)
    return len(choices.undecided(names)) + (0 if choices.rest else more)


def _unknown_names(batch: ImportBatch) -> list[str]:
    return [each["name"] for each in (batch.checked or {}).get("branches", {}).get("named", [])]


def start(batch: ImportBatch) -> None:
    """Request the import of a checked batch and commit.

    Raises LeadsError when the batch isn't checked or has begun, and while branches are undecided.
    """
    undecided = count_undecided(batch)
    if undecided:
        raise LeadsError(
            "branches_undecided",
            "The file contains %(n)s branches that don't exist. Decide what to do with them first.",
            n=undecided,
        )
    _move(batch, (BatchStatus.CHECKED,), BatchStatus.RUNNING)


def restart(batch: ImportBatch) -> None:
    """Request the preview again for a batch that was given up, and commit.

    Raises LeadsError when its file is not kept, or no longer.
    """
    cleared = {"error": None, "finished_at": None, "attempted_at": None}
    _move(batch, (BatchStatus.FAILED,), BatchStatus.READING, **cleared)


def _check(batch: ImportBatch, start_from: tuple[BatchStatus, ...], **values: object) -> None:
    """Request the dry run, which counts as a search by number."""
    number_limit.record_file_check(batch)
    _move(batch, start_from, BatchStatus.CHECKING, checked=None, **values)


def _move(batch: ImportBatch, start_from: tuple[BatchStatus, ...], to: BatchStatus, **values: object) -> None:
    """Change the status if it is still what the user saw. Raises LeadsError otherwise."""
    moved = db.session.execute(
        update(ImportBatch)
        .where(ImportBatch.id == batch.id, ImportBatch.status.in_(start_from))
        .where(ImportBatch.upload.is_not(None))
        .values(status=to, queued_at=clock.BEGAN, cancel_requested=False, **_FRESH, **values)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    if not moved.rowcount:
        raise LeadsError(
            "batch_moved_on",
            "The status of import batch %(batch)s has changed in the meantime; see its page.",
            batch=batch.id,
        )


def cancel(batch_id: int) -> bool:
    """Cancel an import. Return True when that is done, False when its worker has to notice it first.

    Raises LeadsError when the import has ended.
    """
    with db.engine.begin() as connection:
        owned = take_lock(connection, batch_id)
        row = connection.execute(
            select(ImportBatch.status, ImportBatch.upload).where(ImportBatch.id == batch_id)
        ).one_or_none()
        if row is None or row.upload is None or row.status not in (*WAITING, *WORKING):
            raise LeadsError(
                "batch_over", "Import batch %(batch)s has ended and can't be cancelled.", batch=batch_id
            )
        if not owned:
            asked = update(ImportBatch).where(ImportBatch.id == batch_id)
            connection.execute(asked.values(cancel_requested=True))
            return False
        close_batch(connection, batch_id, BatchStatus.CANCELLED, upload=None)
    Path(row.upload).unlink(missing_ok=True)
    return True


def discard_forgotten(now: dt.datetime) -> list[int]:
    """Cancel uploads that have waited for their user for a day. Return their ids.

    Also delete the files of batches that were given up GIVEN_UP_KEPT ago, and files that belong to no batch.
    """
    since = func.coalesce(ImportBatch.queued_at, ImportBatch.created_at)
    forgotten = select(ImportBatch.id).where(ImportBatch.status.in_(WAITING), since < now - KEPT)
    with db.engine.connect() as connection:
        ids = list(connection.scalars(forgotten.order_by(ImportBatch.id)))
    for batch_id in ids:
        with suppress(LeadsError):
            cancel(batch_id)
    given_up = (ImportBatch.status == BatchStatus.FAILED) & (ImportBatch.finished_at < now - GIVEN_UP_KEPT)
    with db.engine.begin() as connection:
        forgotten_file = update(ImportBatch).where(given_up, ImportBatch.upload.is_not(None))
        connection.execute(forgotten_file.values(upload=None))
    _delete_orphaned_files(now)
    return ids


def _delete_orphaned_files(now: dt.datetime) -> None:
    old = [path for path in _folder().iterdir() if path.stat().st_mtime < (now - KEPT).timestamp()]
    if not old:
        return
    with db.engine.connect() as connection:
        known = set(connection.scalars(select(ImportBatch.upload).where(ImportBatch.upload.is_not(None))))
    for path in old:
        if str(path) not in known:
            path.unlink(missing_ok=True)


def _folder() -> Path:
    folder = current_settings().data_dir / "uploads"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
