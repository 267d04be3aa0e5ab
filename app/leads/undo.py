"""Undo of an import batch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, delete, exists, func, or_, select, text, update

from app.errors import N_
from app.leads import kinds, suppression
from app.leads.errors import LeadsError
from app.leads.staging import EDITABLE
from app.lib import clock
from app.models import BatchStatus, Hit, HitEvent, HitStatus, ImportBatch, Lead, LeadBefore
from config import Settings

#: undo runs in the background above this number of leads
AT_ONCE = 20_000
#: steps that say nothing of anybody's work
NOT_WORK = ("withdraw", "restore")
_LOG = logging.getLogger(__name__)
_EDITABLE = EDITABLE.format(
    *(f"lead.{name}" for name in ("name", "phone_index", "source", "status", "branch_id"))
)
_RESTORE = text(f"""
    UPDATE lead SET
        name = before.name,
        phone_cipher = before.phone_cipher,
        phone_index = before.phone_index,
        phone_masked = before.phone_masked,
        source = before.source,
        branch_id = CASE WHEN before.branch_id IS NULL
                           OR EXISTS (SELECT FROM branch WHERE id = before.branch_id)
                         THEN before.branch_id ELSE lead.branch_id END,
        updated_at = app_now(now())
    FROM lead_before AS before
    WHERE before.batch_id = :batch AND before.lead_id = lead.id AND lead.deleted_at IS NULL
      AND before.after = {_EDITABLE}
""")  # noqa: S608


class UndoResult(NamedTuple):
    """Numbers of leads: created ones ``deleted`` or ``kept``, changed ones ``restored`` or ``left``."""

    deleted: int
    kept: int
    restored: int
    left: int


def request_undo(engine: Engine, batch_id: int, user: str) -> None:
    """Request the undo of a batch of any kind from a worker. Raises LeadsError as ``undo_import`` does."""
    asked: dict[str, Any] = {"status": BatchStatus.UNDOING, "undone_by": user, "queued_at": clock.BEGAN}
    asked |= {"attempts": 0, "progress": 0, "rows_done": 0, "started_at": None, "cancel_requested": False}
    with engine.begin() as connection:
        locked_batch(connection, batch_id, kinds.can_undo, BatchStatus.DONE)
        connection.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(asked))


def undo_import(engine: Engine, batch_id: int, user: str, settings: Settings) -> UndoResult:
    """Undo a batch of leads in one transaction. Return what became of its leads.

    Created leads are deleted, except those with a hit that somebody has worked on. Changed leads get their
    old values back, except those edited since and those whose old values retention has deleted. Raises
    LeadsError when there is no such batch or its status is not done.
    """
    with engine.begin() as connection:
        batch = locked_batch(connection, batch_id, _is_of_leads, BatchStatus.DONE, BatchStatus.UNDOING)
        changed = batch.rows_updated
        deleted, kept = _delete(connection, batch_id)
        restored = _restore(connection, batch_id, settings) if changed else 0
        result = UndoResult(deleted, kept, restored, changed - restored)
        connection.execute(
            update(ImportBatch)
            .where(ImportBatch.id == batch_id)
            .values(
                status=BatchStatus.UNDONE,
                rows_deleted=result.deleted,
                rows_kept=result.kept,
                rows_restored=result.restored,
                rows_left=result.left,
                undone_by=user,
                error=None,
            )
        )
    _LOG.info("import batch %s undone by %s: %s", batch_id, user, result)
    return result


def give_up_undo(connection: Connection, batch_id: int, error: LeadsError) -> None:
    """Set a batch back to done, with the error that prevented its undo."""
    values = {"status": BatchStatus.DONE, "undone_by": None, "error": error.said}
    connection.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(values))


def _is_of_leads(kind: str) -> bool:
    return kind == kinds.LEADS.name


def locked_batch(
    connection: Connection, batch_id: int, has_kind: Callable[[str], bool], *allowed: BatchStatus
) -> Any:
    """Lock the row of a batch until the transaction ends, and return it.

    Raises LeadsError when there is no such batch, or its kind or status doesn't allow an undo.
    """
    batch = ImportBatch
    query = select(batch.kind, batch.status, batch.rows_updated).where(batch.id == batch_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise LeadsError("batch_unknown", N_("There is no import batch %(batch)s"), batch=batch_id)
    if not has_kind(row.kind):
        raise LeadsError(
            "batch_of_another_kind", N_("Import batch %(batch)s is of another kind of file"), batch=batch_id
        )
    if row.status == BatchStatus.UNDONE:
        raise LeadsError("batch_undone", N_("Import batch %(batch)s has already been undone"), batch=batch_id)
    if row.status not in allowed:
        raise LeadsError(
            "batch_not_done",
            N_("Import batch %(batch)s can't be undone: its status is %(status)s"),
            batch=batch_id,
            status=row.status,
        )
    return row


def _delete(connection: Connection, batch_id: int) -> tuple[int, int]:
    live = (Lead.batch_id == batch_id) & Lead.deleted_at.is_(None)
    status = func.coalesce(Hit.former_status, Hit.status)
    step = exists().where(HitEvent.hit_id == Hit.id, HitEvent.kind.not_in(NOT_WORK))
    has_work = or_(status != HitStatus.WAITING, step)
    acted_on = exists().where(Hit.lead_id == Lead.id, has_work)
    deleted = connection.execute(
        update(Lead).where(live, ~acted_on).values(deleted_at=clock.BEGAN, updated_at=clock.BEGAN)
    ).rowcount
    return deleted, connection.scalar(select(func.count()).select_from(Lead).where(live)) or 0


def _restore(connection: Connection, batch_id: int, settings: Settings) -> int:
    restored = connection.execute(_RESTORE, {"batch": batch_id}).rowcount
    connection.execute(delete(LeadBefore).where(LeadBefore.batch_id == batch_id))
    suppression.refresh(connection, settings.today(clock.now(connection)))
    return restored
