"""Import batches of facts: undo, and removal of what an interrupted import has left in the store."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Engine, select, update

from app.activity import store as activity
from app.leads.batches import hold_batch, take_lock
from app.leads.cube import activity_root, engine_settings
from app.leads.undo import locked_batch
from app.lib.lazy import lazy
from app.models import BatchStatus, ImportBatch
from config import Settings

if TYPE_CHECKING:
    from app.facts import store
else:
    store = lazy("app.facts.store")

_LOG = logging.getLogger(__name__)


def undo_import(
    engine: Engine,
    batch_id: int,
    user: str,
    settings: Settings,
    progress: Callable[[int], None] = lambda percent: None,
) -> int:
    """Remove the values of a batch, so that the former ones count again. Return their number.

    ``progress`` is called with the percentage done. Repeated after a crash it continues. Raises LeadsError
    when there is no such batch of facts, it is not done, or another process works on it.
    """
    allowed = (BatchStatus.DONE, BatchStatus.UNDOING)
    with engine.begin() as connection:
        locked_batch(connection, batch_id, lambda kind: kind == "facts", *allowed)
    # The row stays free while files are written, so that the progress can be stored with it.
    with engine.begin() as connection:
        hold_batch(connection, batch_id, *allowed)
        root = activity_root(settings)
        removed = store.undo(root, batch_id, settings=engine_settings(settings), progress=progress)
        values = {"status": BatchStatus.UNDONE, "rows_deleted": removed, "undone_by": user, "error": None}
        connection.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(values))
    _LOG.info("import batch %s undone by %s: %s values", batch_id, user, removed)
    return removed


def remove_unfinished(engine: Engine, settings: Settings) -> list[int]:
    """Remove the values of batches whose import died after storing them. Return the ids of the batches.

    The batch itself is marked as failed when it is given up (app/leads/batches.py).
    """
    root = activity_root(settings)
    stored = activity.snapshot(root).facts
    ids = {batch for file in stored for batch in file.batches}
    finished = select(ImportBatch.id).where(ImportBatch.id.in_(ids), ImportBatch.status == BatchStatus.DONE)
    with engine.begin() as connection:
        left = sorted(ids - set(connection.scalars(finished)))
        abandoned = [batch for batch in left if take_lock(connection, batch)]
        for batch in abandoned:
            store.undo(root, batch, settings=engine_settings(settings))
    return abandoned
