"""Files uploaded on the screen: kept aside, matched and checked, imported in the background, deleted.

A batch goes reading → prepared → checking → checked → running; a person moves it on, the worker
(app/leads/upload_worker.py) and the ticker finish what was asked for. Nothing is on a list before it is
running, and the file is gone when it ends; that of a batch given up stays for GIVEN_UP_KEPT.
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import current_app
from sqlalchemy import func, select, update
from werkzeug.datastructures import FileStorage

from app.errors import FieldError
from app.extensions import db
from app.leads import lookup
from app.leads.batches import GIVEN_UP_KEPT, close_batch, open_batch, take_lock
from app.leads.branch_choices import BranchChoices
from app.leads.errors import LeadsError, UnreadableFile
from app.leads.kinds import KINDS, LEADS, FileKind
from app.leads.matching import matched
from app.leads.preview import Preview, look_at
from app.leads.reader import not_a_list
from app.leads.workbook import AT_ONCE, BEYOND_LIMITS
from app.lib.spreadsheet import printable_name
from app.models import BatchStatus, ImportBatch
from config import Settings

EXTENSIONS = (".xlsx", ".xls", ".csv")
KEPT = dt.timedelta(days=1)
#: an upload that waits for its person
WAITING = (BatchStatus.PREPARED, BatchStatus.CHECKED)
#: an upload that waits for a worker, or has one
WORKING = (BatchStatus.READING, BatchStatus.CHECKING, BatchStatus.RUNNING)
_FRESH: dict[str, Any] = {"progress": 0, "rows_done": 0, "rows_total": None, "started_at": None}
_FRESH["attempts"] = 0
#: a file of at most this size is looked at while its person waits, if that is done at once
_SMALL_BYTES = 4 << 20


def accept(
    file: FileStorage, *, operator: str, kind: FileKind = LEADS, options: Mapping[str, Any] | None = None
) -> ImportBatch:
    """Keep the uploaded file and open a batch for it. Commits.

    A small file is looked at at once and the batch is prepared; a large one is a worker's (``reading``).
    Raises DomainError for a file whose name says that it can't be one, UnreadableFile for a small one that
    can't be read.
    """
    name = printable_name(Path(file.filename or "").name)
    suffix = Path(name).suffix.lower()
    if suffix not in EXTENSIONS:
        raise not_a_list(name)
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
            operator=operator,
            update_existing=False,
            kind=kind.name,
            options=dict(options or {}),
            status=BatchStatus.PREPARED if preview else BatchStatus.READING,
            queued_at=func.now(),
            upload=str(path),
            preview=preview.as_json() if preview else None,
            rows_total=preview.total if preview else None,
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return db.session.get_one(ImportBatch, batch_id)


def _preview_at_once(path: Path, name: str, kind: FileKind) -> Preview | None:
    """The first look, or None for a file that takes long. UnreadableFile for one that no worker can read."""
    if path.stat().st_size > _SMALL_BYTES:
        return None
    try:
        return look_at(path, name, kind, limits=AT_ONCE)
    except UnreadableFile as error:
        if error.code in BEYOND_LIMITS:
            return None
        raise


def match(batch: ImportBatch, chosen: Mapping[int, str]) -> None:
    """Keep the columns a person matched and ask for the dry run. Commits.

    Raises FieldError or DomainError for a match that can't be imported, LeadsError when the batch waits for
    no match.
    """
    columns = matched(chosen, len((batch.preview or {}).get("header", [])), KINDS[batch.kind])
    _check(batch, WAITING, columns=columns)


def check(batch: ImportBatch, *, update_existing: bool) -> None:
    """Ask for the dry run again, with the other choice for people already there. Commits."""
    _check(batch, WAITING, update_existing=update_existing)


def choose_branches(batch: ImportBatch, choices: BranchChoices) -> None:
    """Keep what a person decides about branches nobody knows, and ask for the dry run again. Commits.

    What was decided before stays. Raises FieldError for ``branch_<place>`` of a name that nothing was chosen
    for, LeadsError when the batch isn't checked.
    """
    before = BranchChoices.of_json(batch.options.get("branches"))
    kept = BranchChoices({**before.names, **choices.names}, choices.rest or before.rest)
    for place, name in enumerate(before.undecided(_unknown(batch))):
        if kept.undecided([name]):
            raise FieldError(f"branch_{place}", "Choose what becomes of “%(name)s”.", name=name)
    options = {**batch.options, "branches": kept.as_json()}
    _check(batch, (BatchStatus.CHECKED,), options=options)


def forget_branches(batch: ImportBatch) -> None:
    """Take back every decision about branches, and ask for the dry run again. Commits."""
    options = {name: value for name, value in batch.options.items() if name != "branches"}
    _check(batch, (BatchStatus.CHECKED,), options=options)


def undecided(batch: ImportBatch) -> int:
    """How many branch names of a checked file a person has yet to decide about."""
    if batch.kind != LEADS.name or not batch.checked:
        return 0
    choices = BranchChoices.of_json(batch.options.get("branches"))
    names = _unknown(batch)
    more = int(batch.checked.get("branches", {}).get("names", 0)) - len(names)
    return len(choices.undecided(names)) + (0 if choices.rest else more)


def _unknown(batch: ImportBatch) -> list[str]:
    return [each["name"] for each in (batch.checked or {}).get("branches", {}).get("named", [])]


def start(batch: ImportBatch) -> None:
    """Ask for the import that was checked. Commits.

    Raises LeadsError when it wasn't or began already, and while branches are undecided.
    """
    waiting = undecided(batch)
    if waiting:
        raise LeadsError(
            "branches_undecided",
            "The file names %(n)s branches that don't exist. Decide about them first.",
            n=waiting,
        )
    _move(batch, (BatchStatus.CHECKED,), BatchStatus.RUNNING)


def begin_again(batch: ImportBatch) -> None:
    """Ask for the first look again at the file of a batch that was given up. Commits.

    Raises LeadsError when the file is not kept (any more).
    """
    cleared = {"error": None, "finished_at": None, "attempted_at": None}
    _move(batch, (BatchStatus.FAILED,), BatchStatus.READING, **cleared)


def _check(batch: ImportBatch, start_from: tuple[BatchStatus, ...], **values: object) -> None:
    """Ask for the dry run, which counts as a question by number."""
    lookup.ask_by_file(batch)
    _move(batch, start_from, BatchStatus.CHECKING, checked=None, **values)


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
    """Cancel uploads that waited for their person for a day; their ids.

    Files of batches given up GIVEN_UP_KEPT ago are deleted, and files that no batch knows.
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
    _delete_unknown(now)
    return ids


def _delete_unknown(now: dt.datetime) -> None:
    old = [path for path in _folder().iterdir() if path.stat().st_mtime < (now - KEPT).timestamp()]
    if not old:
        return
    with db.engine.connect() as connection:
        known = set(connection.scalars(select(ImportBatch.upload).where(ImportBatch.upload.is_not(None))))
    for path in old:
        if str(path) not in known:
            path.unlink(missing_ok=True)


def _folder() -> Path:
    folder = _settings().data_dir / "uploads"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings
