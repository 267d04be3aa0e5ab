"""What a worker does with an uploaded file: look at it, check it, import it; and undo large batches."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import current_app
from sqlalchemy import Connection, or_, select, update

from app.errors import N_
from app.extensions import db
from app.jobs.leases import GIVEN_UP, MAX_ATTEMPTS, begin_attempt
from app.leads.batches import GIVEN_UP_KEPT, close_batch, hold_batch, take_lock
from app.leads.branch_choices import BranchChoices, nearest
from app.leads.dry_run import Examples, outcome
from app.leads.errors import ImportCancelled, LeadsError, interrupted
from app.leads.importer import (
    ImportResult,
    Intake,
    LeadIntake,
    Order,
    Rejected,
    database_lost,
    run_import,
)
from app.leads.kinds import KINDS, LEADS
from app.leads.matching import finder
from app.leads.preview import look_at
from app.leads.progress import Reporter
from app.leads.suppression_file import SuppressionIntake
from app.leads.undo import give_up_undo, undo_import
from app.leads.uploads import WAITING, WORKING
from app.leads.workbook import Limits
from app.lib import clock
from app.models import BatchStatus, Branch, ImportBatch
from config import Settings

log = logging.getLogger(__name__)

_FILE_KEPT = N_(
    "Given up: the worker was interrupted %(n)s times at “%(file)s”. It may need more memory than there is."
    " The file is kept for %(days)s days and can be started again."
)


def waiting() -> list[int]:
    """Batches that wait for a worker, or whose worker was killed."""
    uploaded = ImportBatch.upload.is_not(None) & ImportBatch.status.in_(WORKING)
    query = select(ImportBatch.id).where(or_(uploaded, ImportBatch.status == BatchStatus.UNDOING))
    return list(db.session.scalars(query.order_by(ImportBatch.id)))


def work_on(batch_id: int) -> None:
    """Do what a batch waits for; nothing when another process does.

    The uploaded file is deleted when the batch ends; only a killed process and a lost database leave it, and
    then the ticker starts the work again, up to MAX_ATTEMPTS times. That of a batch given up is kept.
    """
    row = _begin(batch_id)
    if row is None:
        return
    try:
        _WORK[row.status](row)
    except LeadsError as error:
        if error.code != "batch_not_open":
            log.info("import batch %s: %s", batch_id, error.code)
    finally:
        if row.upload:
            _delete_when_over(row)


def _begin(batch_id: int) -> Any:
    """The batch with the present attempt counted; None when there is nothing to do, or not any more."""
    with db.engine.begin() as connection:
        owned = take_lock(connection, batch_id)
        row = _read(connection, batch_id)
        if not owned or row is None or row.status not in _WORK:
            return None
        if row.status != BatchStatus.UNDOING and row.upload is None:
            return None
        begun = update(ImportBatch).where(ImportBatch.id == batch_id).values(**begin_attempt(ImportBatch))
        if connection.execute(begun.returning(ImportBatch.attempts)).scalar_one() > MAX_ATTEMPTS:
            _give_up(connection, row)
            return None
        return row


def _give_up(connection: Connection, row: Any) -> None:
    log.error("import batch %s was given up while %s", row.id, row.status)
    if row.status == BatchStatus.UNDOING:
        give_up_undo(connection, row.id, LeadsError("given_up", GIVEN_UP, n=MAX_ATTEMPTS))
    else:
        kept = {"file": row.file_name, "days": GIVEN_UP_KEPT.days}
        error = LeadsError("given_up", _FILE_KEPT, n=MAX_ATTEMPTS, **kept)
        close_batch(connection, row.id, BatchStatus.FAILED, error=error.said)


def _read(connection: Connection, batch_id: int) -> Any:
    batch = ImportBatch
    query = select(
        *(batch.id, batch.kind, batch.status, batch.upload, batch.file_name, batch.created_by, batch.columns),
        *(batch.options, batch.update_existing, batch.cancel_requested, batch.undone_by),
    )
    return connection.execute(query.where(batch.id == batch_id)).one_or_none()


def _look(row: Any) -> None:
    """The first look. A file that can't be read ends the batch."""

    def look(row: Any) -> dict[str, Any]:
        preview = look_at(
            Path(row.upload),
            row.file_name,
            KINDS[row.kind],
            limits=Limits.of(_settings()),
            progress=Reporter(db.engine, row.id).percent,
        )
        return {
            "status": BatchStatus.PREPARED,
            "preview": preview.as_json(),
            "rows_total": preview.total,
        }

    _owned(row, look)


def _check(row: Any) -> None:
    """The dry run. Its outcome is kept; a file that can't be read ends the batch."""

    def check(row: Any) -> dict[str, Any]:
        examples = Examples(row.columns)
        result = _pass(row, dry_run=True, rejected=examples)
        return {"status": BatchStatus.CHECKED, "checked": _outcome(row, result, examples), "progress": 100}

    _owned(row, check)


def _owned(seen: Any, work: Callable[[Any], dict[str, Any]]) -> None:
    """Do a part that changes no list, owning the batch: keep what it gives, or end the batch."""
    with db.engine.begin() as owner:
        hold_batch(owner, seen.id, seen.status)
        row = _read(owner, seen.id)
        try:
            found = work(row)
            if _read(owner, row.id).cancel_requested:
                raise ImportCancelled
        except ImportCancelled as error:
            close_batch(owner, row.id, BatchStatus.CANCELLED, error=error.said)
        except Exception as error:
            if database_lost(error):
                raise
            close_batch(owner, row.id, BatchStatus.FAILED, error=_interrupted(seen, error).said)
        else:
            owner.execute(update(ImportBatch).where(ImportBatch.id == row.id).values(**found))


def _interrupted(seen: Any, error: Exception) -> LeadsError:
    """The refusal that ends a part, since the ticker would try again for nothing."""
    if isinstance(error, LeadsError):
        return error
    kind = type(error).__name__
    log.error("%s import batch %s failed: %s", seen.status, seen.id, kind)
    return interrupted("check_failed", N_("The check was interrupted (%(kind)s)"), error, kind)


def _outcome(row: Any, result: ImportResult, examples: Examples) -> dict[str, Any]:
    found = outcome(result, examples)
    if row.kind != LEADS.name:
        return found
    known = db.session.execute(select(Branch.id, Branch.code, Branch.name).order_by(Branch.id)).tuples().all()
    db.session.rollback()
    alike = nearest([each.name for each in result.branches.named], known)
    named = [{**each._asdict(), "nearest": alike[each.name]} for each in result.branches.named]
    return {**found, "branches": {**result.branches._asdict(), "named": named}}


def _import(row: Any) -> None:
    _pass(row, batch_id=row.id)


def _pass(
    row: Any, *, dry_run: bool = False, batch_id: int | None = None, rejected: Rejected | None = None
) -> ImportResult:
    reporter = Reporter(db.engine, row.id)
    order = Order(
        path=Path(row.upload),
        file_name=row.file_name,
        operator=row.created_by,
        settings=_settings(),
        find=finder(row.columns),
        looked_over=True,
        dry_run=dry_run,
        update=row.update_existing,
        batch_id=batch_id,
        progress=reporter,
        before_commit=reporter.stop_if_asked,
        **({"rejected": rejected} if rejected else {}),
    )
    return run_import(db.engine, order, _intake(row))


def _intake(row: Any) -> Intake:
    settings = _settings()
    if row.kind == LEADS.name:
        return LeadIntake(settings, BranchChoices.of_json(row.options.get("branches")))
    today = clock.today()
    return SuppressionIntake(settings, reason=row.options["reason"], who=row.created_by, today=today)


def _undo(row: Any) -> None:
    try:
        undo_import(db.engine, row.id, row.undone_by, _settings())
    except Exception as error:
        if database_lost(error):
            raise
        # The ticker would try again for nothing.
        kind = type(error).__name__
        log.error("undo of import batch %s failed: %s", row.id, kind)
        with db.engine.begin() as connection:
            failed = interrupted("undo_failed", N_("The undo was interrupted (%(kind)s)"), error, kind)
            give_up_undo(connection, row.id, failed)


_WORK: dict[str, Callable[[Any], None]] = {
    BatchStatus.READING: _look,
    BatchStatus.CHECKING: _check,
    BatchStatus.RUNNING: _import,
    BatchStatus.UNDOING: _undo,
}


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


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings
