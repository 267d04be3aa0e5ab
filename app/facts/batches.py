"""Import batches of facts: undo, and removal of what an interrupted import has left in the store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy import Engine, select, update

from app.activity import store as activity
from app.errors import N_
from app.leads.batches import take_lock
from app.leads.cube import activity_root, engine_settings
from app.leads.errors import LeadsError
from app.lib.lazy import lazy
from app.models import BatchStatus, ImportBatch
from config import Settings

if TYPE_CHECKING:
    from app.facts import store
else:
    store = lazy("app.facts.store")

_LOG = logging.getLogger(__name__)


def undo_import(engine: Engine, batch_id: int, user: str, settings: Settings) -> int:
    """Remove the values of a batch, so that the former ones count again. Return their number.

    Repeated after a crash it continues. Raises LeadsError when there is no such batch or it is not done.
    """
    with engine.begin() as connection:
        query = select(ImportBatch.kind, ImportBatch.status).where(ImportBatch.id == batch_id)
        row = connection.execute(query.with_for_update()).one_or_none()
        if row is None or row.kind != "facts":
            raise LeadsError(
                "batch_unknown", N_("There is no import batch %(batch)s of facts"), batch=batch_id
            )
        if row.status != BatchStatus.DONE:
            raise LeadsError(
                "batch_not_done",
                N_("Import batch %(batch)s can't be undone: its status is %(status)s"),
                batch=batch_id,
                status=row.status,
            )
        removed = store.undo(activity_root(settings), batch_id, settings=engine_settings(settings))
        values = {"status": BatchStatus.UNDONE, "rows_deleted": removed, "undone_by": user}
        connection.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(values))
    _LOG.info("import batch %s undone by %s: %s values", batch_id, user, removed)
    return removed


def remove_unfinished(engine: Engine, settings: Settings) -> list[int]:
    """Remove the values of batches whose import died after storing them. Return the ids of the batches.

    The batch itself is marked as failed when it is given up (app/leads/batches.py).
    """
    root = activity_root(settings)
    stored = activity.snapshot(root).facts if root.is_dir() else ()
    ids = {batch for file in stored for batch in file.batches}
    finished = select(ImportBatch.id).where(ImportBatch.id.in_(ids), ImportBatch.status == BatchStatus.DONE)
    with engine.begin() as connection:
        left = sorted(ids - set(connection.scalars(finished)))
        abandoned = [batch for batch in left if take_lock(connection, batch)]
        for batch in abandoned:
            store.undo(root, batch, settings=engine_settings(settings))
    return abandoned
