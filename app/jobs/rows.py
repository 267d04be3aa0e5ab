"""Background jobs that are rows: owned by one worker, given up after some, always saying how far they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from sqlalchemy import func, select, text, update
from werkzeug.exceptions import HTTPException

from app.errors import N_, OUT_OF_MEMORY, DomainError
from app.extensions import db
from app.jobs import nudge
from app.models import AuditJob, Backtest, BulkJob, ExportJob, RunStatus

OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)
#: work that this many workers began and none ended is given up
MOST_ATTEMPTS = 3
GIVEN_UP = N_(
    "Given up: the worker was interrupted %(n)s times at this. It may need more memory than there is."
)
Job = TypeVar("Job", AuditJob, Backtest, BulkJob, ExportJob)


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
        if job.attempts >= MOST_ATTEMPTS:
            raise DomainError(refusal, n=MOST_ATTEMPTS)
        self.write(job.id, status=RunStatus.RUNNING, progress=0, attempts=job.attempts + 1)

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

        A refusal ends here; anything else is raised again for the worker's log.
        """
        try:
            yield
        except (DomainError, HTTPException) as error:
            self._fail(job_id, error.text() if isinstance(error, DomainError) else str(error.description))
        except MemoryError:
            self._fail(job_id, DomainError(OUT_OF_MEMORY).text())
            raise
        except Exception as error:
            self._fail(job_id, f"{type(error).__name__}: see the worker's log")
            raise

    def _fail(self, job_id: int, why: str) -> None:
        db.session.rollback()
        self.write(job_id, status=RunStatus.FAILED, error=why, finished_at=func.now())
