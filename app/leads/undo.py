"""Undo of a whole import batch."""

from __future__ import annotations

import logging
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, exists, func, or_, select, text, update

from app.errors import N_
from app.leads import suppression
from app.leads.errors import LeadsError
from app.leads.staging import EDITABLE
from app.lib import clock
from app.models import BatchStatus, Hit, HitEvent, HitStatus, ImportBatch, Lead, LeadBefore
from config import Settings

#: an undo of more leads than this is a worker's
AT_ONCE = 20_000
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
        updated_at = now()
    FROM lead_before AS before
    WHERE before.batch_id = :batch AND before.lead_id = lead.id AND lead.deleted_at IS NULL
      AND before.after = {_EDITABLE}
""")  # noqa: S608


class Undone(NamedTuple):
    """What became of the leads of a batch: of those it created ``deleted`` and ``kept``, of those it changed
    ``restored`` and ``left``.
    """

    deleted: int
    kept: int
    restored: int
    left: int


def ask_undo(engine: Engine, batch_id: int, operator: str) -> None:
    """Leave the undo of a large batch to a worker. Raises LeadsError as ``undo_import`` does."""
    with engine.begin() as connection:
        _require(connection, batch_id, BatchStatus.DONE)
        asked = {"status": BatchStatus.UNDOING, "undone_by": operator, "queued_at": func.now(), "attempts": 0}
        connection.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(asked))


def undo_import(engine: Engine, batch_id: int, operator: str, settings: Settings) -> Undone:
    """Take back what a batch of leads did, in one transaction.

    Leads it created are deleted, but for those with a hit somebody has acted on. Leads it changed get their
    old values back, but for those that somebody edited since and those whose old values retention deleted.
    Raises LeadsError when there is no such batch or it isn't done (running, failed, undone already).
    """
    with engine.begin() as connection:
        changed = _require(connection, batch_id, BatchStatus.DONE, BatchStatus.UNDOING)
        deleted, kept = _delete(connection, batch_id)
        restored = _restore(connection, batch_id, settings) if changed else 0
        found = Undone(deleted, kept, restored, changed - restored)
        connection.execute(
            update(ImportBatch)
            .where(ImportBatch.id == batch_id)
            .values(
                status=BatchStatus.UNDONE,
                rows_deleted=found.deleted,
                rows_kept=found.kept,
                rows_restored=found.restored,
                rows_left=found.left,
                undone_by=operator,
                error=None,
            )
        )
    _LOG.info("import batch %s undone by %s: %s", batch_id, operator, found)
    return found


def give_up_undo(connection: Connection, batch_id: int, error: LeadsError) -> None:
    """The batch is as it was, with the reason that it could not be undone."""
    values = {"status": BatchStatus.DONE, "undone_by": None, "error": error.said}
    connection.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(values))


def _require(connection: Connection, batch_id: int, *allowed: BatchStatus) -> int:
    """Own the batch until the transaction ends; how many leads it changed."""
    batch = ImportBatch
    query = select(batch.kind, batch.status, batch.rows_updated).where(batch.id == batch_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise LeadsError("batch_unknown", N_("There is no import batch %(batch)s"), batch=batch_id)
    if row.kind != "leads":
        raise LeadsError(
            "batch_of_another_kind", N_("Import batch %(batch)s brought no leads"), batch=batch_id
        )
    if row.status == BatchStatus.UNDONE:
        raise LeadsError("batch_undone", N_("Import batch %(batch)s is undone already"), batch=batch_id)
    if row.status not in allowed:
        raise LeadsError(
            "batch_not_done",
            N_("Import batch %(batch)s can't be undone: its status is %(status)s"),
            batch=batch_id,
            status=row.status,
        )
    return int(row.rows_updated)


def _delete(connection: Connection, batch_id: int) -> tuple[int, int]:
    live = (Lead.batch_id == batch_id) & Lead.deleted_at.is_(None)
    worked = or_(Hit.status != HitStatus.WAITING, exists().where(HitEvent.hit_id == Hit.id))
    acted_on = exists().where(Hit.lead_id == Lead.id, worked)
    deleted = connection.execute(
        update(Lead).where(live, ~acted_on).values(deleted_at=func.now(), updated_at=func.now())
    ).rowcount
    return deleted, connection.scalar(select(func.count()).select_from(Lead).where(live)) or 0


def _restore(connection: Connection, batch_id: int, settings: Settings) -> int:
    restored = connection.execute(_RESTORE, {"batch": batch_id}).rowcount
    connection.execute(delete(LeadBefore).where(LeadBefore.batch_id == batch_id))
    suppression.refresh(connection, settings.today(clock.now(connection)))
    return restored
