"""Background jobs that are rows: owned by one worker, given up after some, always saying how far they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import psycopg
from sqlalchemy import case, func, select, text, update
from werkzeug.exceptions import HTTPException

from app.errors import N_, OUT_OF_MEMORY, DomainError
from app.extensions import db
from app.jobs import nudge
from app.models import Attempted, AuditJob, Backtest, BulkJob, ExportJob, RunStatus

OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)
#: work that this many workers began and none ended is given up
MOST_ATTEMPTS = 3
GIVEN_UP = N_(
    "Given up: the worker was interrupted %(n)s times at this. It may need more memory than there is."
)
Job = TypeVar("Job", AuditJob, Backtest, BulkJob, ExportJob)


def attempt(model: type[Attempted]) -> dict[str, Any]:
    """The columns to write when a worker begins; ``attempts`` are then those that count, with this one.

    One that began before the database last started does not: its restart may well be what ended it.
    """
    restarted = (model.attempts > 0) & (model.attempted_at < func.pg_postmaster_start_time())
    attempts = case((restarted, model.attempts), else_=model.attempts + 1)
    return {"attempts": attempts, "attempted_at": func.clock_timestamp()}


def connection_lost(error: BaseException) -> bool:
    """Whether an error means that the database went away, not that it refused something."""
    origin = getattr(error, "orig", None) or error
    if not isinstance(origin, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return origin.sqlstate is None or origin.sqlstate.startswith(("08", "57P"))


class JobTable(Generic[Job]):
    """The jobs of one table, which ``function`` does on queue "default".

    ``lock`` is the first number of their advisory locks, of no other table's.
    """

    def __init__(self, model: type[Job], function: str, lock: int) -> None:
        self.model: type[Job] = model
        self.function = function
        self.lock = lock

    def nudge(self, job_id: int) -> None:
        """Ask a worker to do a job that is committed."""
        nudge("default", self.function, job_id)

    def nudge_all(self) -> None:
        """Ask again for every job that waits for a worker or lost it."""
        waiting = select(self.model.id).where(self.model.status.in_(OPEN)).order_by(self.model.id)
        for job_id in db.session.scalars(waiting).all():
            self.nudge(job_id)

    def open_of(self, who: str) -> int:
        """How many jobs of a person wait or are made."""
        theirs = select(func.count()).where(self.model.requested_by == who, self.model.status.in_(OPEN))
        return db.session.scalar(theirs) or 0

    @contextmanager
    def owned(self, job_id: int) -> Iterator[Job | None]:
        """The open job while no other process has it, else None; the lock goes when this process does."""
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            key = {"table": self.lock, "job": job_id}
            if not connection.execute(text("SELECT pg_try_advisory_lock(:table, :job)"), key).scalar_one():
                yield None
                return
            try:
                job = db.session.get(self.model, job_id, populate_existing=True)
                yield job if job is not None and job.status in OPEN else None
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:table, :job)"), key)

    def begin(self, job: Job, refusal: str = GIVEN_UP) -> None:
        """Count an attempt and say that it runs. Raises DomainError after MOST_ATTEMPTS that did not end."""
        mine = update(self.model).where(self.model.id == job.id, self.model.status.in_(OPEN))
        begun = mine.values(status=RunStatus.RUNNING, progress=0, **attempt(self.model))
        with db.engine.begin() as connection:
            attempts = connection.scalar(begun.returning(self.model.attempts))
        if attempts is not None and attempts > MOST_ATTEMPTS:
            raise DomainError(refusal, n=MOST_ATTEMPTS)

    def write(self, job_id: int, **values: object) -> bool:
        """Write to an open job in a transaction of its own; False when the job is over."""
        mine = update(self.model).where(self.model.id == job_id, self.model.status.in_(OPEN))
        with db.engine.begin() as connection:
            return bool(connection.execute(mine.values(**values)).rowcount)

    def done(self, job_id: int, **values: object) -> bool:
        """End a job that is made; False when it is over already."""
        end = {"status": RunStatus.DONE, "progress": 100, "finished_at": func.now()}
        return self.write(job_id, **end, **values)

    @contextmanager
    def failing(self, job_id: int) -> Iterator[None]:
        """End the job with what a person can read when the work inside fails.

        A refusal ends here; anything else is raised again for the worker's log. With the database lost the
        job stays as it is, and the ticker has it done again.
        """
        try:
            yield
        except (DomainError, HTTPException) as error:
            self._fail(job_id, error.text() if isinstance(error, DomainError) else str(error.description))
        except MemoryError:
            self._fail(job_id, DomainError(OUT_OF_MEMORY).text())
            raise
        except Exception as error:
            if not connection_lost(error):
                self._fail(job_id, f"{type(error).__name__}: see the worker's log")
            raise

    def _fail(self, job_id: int, why: str) -> None:
        db.session.rollback()
        self.write(job_id, status=RunStatus.FAILED, error=why, finished_at=func.now())
