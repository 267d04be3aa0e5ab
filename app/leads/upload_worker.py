"""Background work on uploaded files: preview, check and import, and the undo of large batches."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, or_, select, update

from app.errors import N_
from app.extensions import db
from app.jobs.leases import GIVEN_UP, MAX_ATTEMPTS, begin_attempt
from app.leads.batches import GIVEN_UP_KEPT, close_batch, hold_batch, take_lock
from app.leads.branch_choices import BranchChoices, suggest_branches
from app.leads.dry_run import Examples, summary
from app.leads.errors import ImportCancelled, LeadsError, interrupted
from app.leads.importer import (
    BlockIntake,
    ImportOrder,
    ImportResult,
    Intake,
    LeadIntake,
    Rejected,
    database_lost,
    run_import,
)
from app.leads.kinds import INTAKES, KINDS, LEADS, UNDOS
from app.leads.matching import fixed_columns
from app.leads.preview import preview_file
from app.leads.progress import Reporter
from app.leads.suppression_file import SuppressionIntake
from app.leads.undo import give_up_undo, undo_import
from app.leads.uploads import WAITING, WORKING
from app.leads.workbook import Limits
from app.lib import clock
from app.lib.settings import current_settings
from app.models import BatchStatus, Branch, ImportBatch

log = logging.getLogger(__name__)

_FILE_KEPT = N_(
    "Given up: the worker was interrupted %(n)s times at “%(file)s”. It may need more memory than there is."
    " The file is kept for %(days)s days and can be started again."
)


def waiting() -> list[int]:
    """Return the ids of batches that wait for a worker or have lost theirs."""
    uploaded = ImportBatch.upload.is_not(None) & ImportBatch.status.in_(WORKING)
    query = select(ImportBatch.id).where(or_(uploaded, ImportBatch.status == BatchStatus.UNDOING))
    return list(db.session.scalars(query.order_by(ImportBatch.id)))


def work_on(batch_id: int) -> None:
    """Do the next work on a batch, unless another process has it locked.

    The uploaded file is deleted when the batch ends. After a killed process or a lost database connection it
    stays, and the ticker starts the work again, up to MAX_ATTEMPTS times. The file of a batch that is given
    up is kept.
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
            _delete_file_when_ended(row)


def _begin(batch_id: int) -> Any:
    """Count an attempt and return the batch, None when there is nothing to do or it is given up."""
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


def _preview(row: Any) -> None:
    """Preview the file. An unreadable file ends the batch."""

    def preview(row: Any) -> dict[str, Any]:
        result = preview_file(
            Path(row.upload),
            row.file_name,
            KINDS[row.kind],
            limits=Limits.of(current_settings()),
            progress=Reporter(db.engine, row.id).percent,
        )
        return {
            "status": BatchStatus.PREPARED,
            "preview": result.as_json(),
            "rows_total": result.total,
        }

    _with_lock(row, preview)


def _check(row: Any) -> None:
    """Run the dry run and store its result. An unreadable file ends the batch."""

    def check(row: Any) -> dict[str, Any]:
        examples = Examples(row.columns)
        result = _pass(row, dry_run=True, rejected=examples)
        return {"status": BatchStatus.CHECKED, "checked": _summary(row, result, examples), "progress": 100}

    _with_lock(row, check)


def _with_lock(seen: Any, work: Callable[[Any], dict[str, Any]]) -> None:
    """Do work that changes no list with the batch locked, and store its result, or end the batch."""
    with db.engine.begin() as owner:
        hold_batch(owner, seen.id, seen.status)
        row = _read(owner, seen.id)
        try:
            values = work(row)
            if _read(owner, row.id).cancel_requested:
                raise ImportCancelled
        except ImportCancelled as error:
            close_batch(owner, row.id, BatchStatus.CANCELLED, error=error.said)
        except Exception as error:
            if database_lost(error):
                raise
            close_batch(owner, row.id, BatchStatus.FAILED, error=_interrupted(seen, error).said)
        else:
            owner.execute(update(ImportBatch).where(ImportBatch.id == row.id).values(**values))


def _interrupted(seen: Any, error: Exception) -> LeadsError:
    """Return the error that ends the batch, because repeating the work would fail again."""
    if isinstance(error, LeadsError):
        return error
    kind = type(error).__name__
    log.error("%s import batch %s failed: %s", seen.status, seen.id, kind)
    return interrupted("check_failed", N_("The check was interrupted (%(kind)s)"), error, kind)


def _summary(row: Any, result: ImportResult, examples: Examples) -> dict[str, Any]:
    stored = summary(result, examples)
    if row.kind != LEADS.name:
        return stored
    known = db.session.execute(select(Branch.id, Branch.code, Branch.name).order_by(Branch.id)).tuples().all()
    db.session.rollback()
    suggestions = suggest_branches([each.name for each in result.branches.named], known)
    named = [{**each._asdict(), "nearest": suggestions[each.name]} for each in result.branches.named]
    return {**stored, "branches": {**result.branches._asdict(), "named": named}}


def _import(row: Any) -> None:
    _pass(row, batch_id=row.id)


def _pass(
    row: Any, *, dry_run: bool = False, batch_id: int | None = None, rejected: Rejected | None = None
) -> ImportResult:
    reporter = Reporter(db.engine, row.id)
    order = ImportOrder(
        path=Path(row.upload),
        file_name=row.file_name,
        user=row.created_by,
        settings=current_settings(),
        find=fixed_columns(row.columns),
        inspected=True,
        dry_run=dry_run,
        update=row.update_existing,
        batch_id=batch_id,
        progress=reporter,
        before_commit=reporter.stop_if_cancelled,
        rejected=rejected or ImportOrder.rejected,
    )
    return run_import(db.engine, order, _intake(row))


def _intake(row: Any) -> Intake | BlockIntake:
    settings = current_settings()
    if row.kind == LEADS.name:
        return LeadIntake(settings, BranchChoices.of_json(row.options.get("branches")))
    today = clock.today()
    if row.kind in INTAKES:
        intake: Intake | BlockIntake = INTAKES[row.kind](row, settings, today)
        return intake
    return SuppressionIntake(settings, reason=row.options["reason"], user=row.created_by, today=today)


def _undo(row: Any) -> None:
    settings = current_settings()
    try:
        if row.kind in UNDOS:
            percent = Reporter(db.engine, row.id).percent
            UNDOS[row.kind](db.engine, row.id, row.undone_by, settings, percent)
        else:
            undo_import(db.engine, row.id, row.undone_by, settings)
    except Exception as error:
        if database_lost(error):
            raise
        # The ticker must not repeat it, because it would fail again.
        kind = type(error).__name__
        log.error("undo of import batch %s failed: %s", row.id, kind)
        with db.engine.begin() as connection:
            failed = interrupted("undo_failed", N_("The undo was interrupted (%(kind)s)"), error, kind)
            give_up_undo(connection, row.id, failed)


_WORK: dict[str, Callable[[Any], None]] = {
    BatchStatus.READING: _preview,
    BatchStatus.CHECKING: _check,
    BatchStatus.RUNNING: _import,
    BatchStatus.UNDOING: _undo,
}


def _delete_file_when_ended(row: Any) -> None:
    ended = (
        update(ImportBatch)
        .where(ImportBatch.id == row.id, ImportBatch.status.not_in((*WAITING, *WORKING)))
        .values(upload=None)
    )
    with db.engine.begin() as connection:
        has_ended = connection.execute(ended).rowcount
    if has_ended:
        Path(row.upload).unlink(missing_ok=True)
