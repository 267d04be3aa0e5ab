"""Undo of a whole import batch."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, Engine, exists, func, select, update

from app.leads.errors import N_, LeadsError
from app.models import BatchStatus, Hit, HitStatus, ImportBatch, Lead

_LOG = logging.getLogger(__name__)


def undo_import(engine: Engine, batch_id: int, operator: str) -> dict[str, int]:
    """Delete the leads that a batch created, but keep those with a hit somebody has acted on.

    Returns ``{"deleted": n, "kept": n}``. Leads the batch only updated stay as they are. Raises LeadsError
    when there is no such batch or it isn't done (running, failed, undone already).
    """
    with engine.begin() as connection:
        _require_done(connection, batch_id)
        counts = _delete(connection, batch_id)
        connection.execute(
            update(ImportBatch)
            .where(ImportBatch.id == batch_id)
            .values(
                status=BatchStatus.UNDONE,
                rows_deleted=counts["deleted"],
                rows_kept=counts["kept"],
                undone_by=operator,
            )
        )
    _LOG.info("import batch %s undone by %s: %s", batch_id, operator, counts)
    return counts


def _require_done(connection: Connection, batch_id: int) -> None:
    query = select(ImportBatch.status).where(ImportBatch.id == batch_id).with_for_update()
    status = connection.scalar(query)
    if status is None:
        raise LeadsError("batch_unknown", N_("There is no import batch %(batch)s"), batch=batch_id)
    if status == BatchStatus.UNDONE:
        raise LeadsError("batch_undone", N_("Import batch %(batch)s is undone already"), batch=batch_id)
    if status != BatchStatus.DONE:
        raise LeadsError(
            "batch_not_done",
            N_("Import batch %(batch)s can't be undone: its status is %(status)s"),
            batch=batch_id,
            status=status,
        )


def _delete(connection: Connection, batch_id: int) -> dict[str, int]:
    live = (Lead.batch_id == batch_id) & Lead.deleted_at.is_(None)
    acted_on = exists().where(Hit.lead_id == Lead.id, Hit.status != HitStatus.WAITING)
    deleted = connection.execute(
        update(Lead).where(live, ~acted_on).values(deleted_at=func.now(), updated_at=func.now())
    ).rowcount
    kept = connection.scalar(select(func.count()).select_from(Lead).where(live)) or 0
    return {"deleted": deleted, "kept": kept}
