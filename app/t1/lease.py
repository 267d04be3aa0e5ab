"""The lease on a run: one worker at a time, fenced, given up by silence."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Engine, case, func, or_, update

from app.jobs.table import attempt
from app.models import JobRun, RunStatus

LEASE_SECONDS = 90
RENEW_SECONDS = 20

_UNTIL = func.now() + dt.timedelta(seconds=LEASE_SECONDS)


def lost() -> ColumnElement[bool]:
    """Criterion on JobRun: at work by a worker that fell silent, by the database's clock."""
    return (JobRun.status == RunStatus.RUNNING) & (JobRun.lease_until < func.now())


class LeaseLost(Exception):
    """Another worker has taken the run over; this one must stop without writing."""


class Lease:
    """This worker's hold on a run. Every write goes through it and fails once it is lost."""

    def __init__(self, engine: Engine, run_id: int, owner: str) -> None:
        self._engine = engine
        self.run_id = run_id
        self.owner = owner

    def write(self, **values: Any) -> None:
        """Change the run's row and renew the lease. Raises LeaseLost when it is another's."""
        changed = values | {"lease_until": _UNTIL}
        mine = (JobRun.id == self.run_id) & (JobRun.lease_owner == self.owner)
        with self._engine.begin() as connection:
            if connection.execute(update(JobRun).where(mine).values(**changed)).rowcount != 1:
                raise LeaseLost(f"run {self.run_id}")

    def finish(self, **values: Any) -> None:
        """Write the end of the run and give up the lease."""
        self.write(**values, finished_at=func.now())
        with self._engine.begin() as connection:
            mine = (JobRun.id == self.run_id) & (JobRun.lease_owner == self.owner)
            connection.execute(update(JobRun).where(mine).values(lease_owner=None, lease_until=None))


@contextmanager
def leased(engine: Engine, run_id: int) -> Iterator[Lease | None]:
    """Take the lease of a run that waits or whose worker fell silent; None when there is nothing to take.

    A thread renews it until the block ends.
    """
    lease = Lease(engine, run_id, uuid.uuid4().hex)
    if not _claim(lease, engine):
        yield None
        return
    done = threading.Event()
    keeper = threading.Thread(target=_renew, args=(lease, done), daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        done.set()
        keeper.join()


def _claim(lease: Lease, engine: Engine) -> bool:
    free, begun = or_(JobRun.status == RunStatus.QUEUED, lost()), attempt(JobRun)
    values = {
        "status": RunStatus.RUNNING,
        "lease_owner": lease.owner,
        "lease_until": _UNTIL,
        "started_at": func.now(),
        "finished_at": None,
        **begun,
        # Claims since the run was last asked for.
        "attempts": case((JobRun.status == RunStatus.QUEUED, 1), else_=begun["attempts"]),
    }
    with engine.begin() as connection:
        claimed = connection.execute(update(JobRun).where(JobRun.id == lease.run_id, free).values(**values))
        return bool(claimed.rowcount == 1)


def _renew(lease: Lease, done: threading.Event) -> None:
    while not done.wait(RENEW_SECONDS):
        try:
            lease.write()
        except LeaseLost:
            return
        except Exception:  # noqa: BLE001, S112 - the next write of the worker itself will tell
            continue
