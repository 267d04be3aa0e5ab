"""Progress of a pass over a file, stored with its batch, and cancellation of the pass."""

from __future__ import annotations

import time

from sqlalchemy import Engine, update

from app.leads.errors import ImportCancelled
from app.lib import clock
from app.models import ImportBatch

EVERY_SECONDS = 1.0


class Reporter:
    """Stores the progress of an import at most once a second, and raises ImportCancelled on cancellation.

    The pass starts when this is created.
    """

    def __init__(self, engine: Engine, batch_id: int) -> None:
        self._engine = engine
        self._batch_id = batch_id
        self._write(started_at=clock.BEGAN, rows_done=0, progress=0)
        self._next = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        """Store ``done`` of about ``total`` rows. The last row is always stored."""
        if done != total and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_SECONDS
        percent = min(99, done * 100 // total) if total else 0
        if self._write(rows_done=done, rows_total=total, progress=percent):
            raise ImportCancelled

    def percent(self, done: int) -> None:
        """Store the progress in percent of a part without rows."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY_SECONDS
            if self._write(progress=min(99, done)):
                raise ImportCancelled

    def stop_if_cancelled(self) -> None:
        """Raise ImportCancelled when the pass has been cancelled."""
        if self._write(progress=99):
            raise ImportCancelled

    def _write(self, **values: object) -> bool:
        """Store columns of the batch. Return whether it is to be cancelled."""
        statement = (
            update(ImportBatch)
            .where(ImportBatch.id == self._batch_id)
            .values(**values)
            .returning(ImportBatch.cancel_requested)
        )
        with self._engine.begin() as connection:
            return bool(connection.scalar(statement))
