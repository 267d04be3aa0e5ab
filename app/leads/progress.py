"""How far a pass over a lead file is, written to its batch; and whether somebody wants it to stop."""

from __future__ import annotations

import time

from sqlalchemy import Engine, func, update

from app.leads.errors import ImportCancelled
from app.models import ImportBatch

EVERY_SECONDS = 1.0


class Reporter:
    """The ``progress`` of an import: writes at most once a second, raises ImportCancelled when asked to stop.

    The pass counts as begun when this is made.
    """

    def __init__(self, engine: Engine, batch_id: int) -> None:
        self._engine = engine
        self._batch_id = batch_id
        self._write(started_at=func.now(), rows_done=0, progress=0)
        self._next = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        """Report ``done`` of about ``total`` rows; the last row is always reported."""
        if done != total and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_SECONDS
        percent = min(99, done * 100 // total) if total else 0
        if self._write(rows_done=done, rows_total=total, progress=percent):
            raise ImportCancelled

    def percent(self, done: int) -> None:
        """Report a share of a part that has no rows; as above."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY_SECONDS
            if self._write(progress=min(99, done)):
                raise ImportCancelled

    def stop_if_asked(self) -> None:
        """Raise ImportCancelled when somebody wants the pass to stop."""
        if self._write(progress=99):
            raise ImportCancelled

    def _write(self, **values: object) -> bool:
        """Write, and read whether the batch is to be cancelled."""
        statement = (
            update(ImportBatch)
            .where(ImportBatch.id == self._batch_id)
            .values(**values)
            .returning(ImportBatch.cancel_requested)
        )
        with self._engine.begin() as connection:
            return bool(connection.scalar(statement))
