"""Background jobs stored as rows: requested by a user, held by one worker, with their progress."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from app.errors import OUT_OF_MEMORY, SEE_LOG, DomainError
from app.extensions import db
from app.jobs.leases import Held, LeasedRows, LeaseLost
from app.jobs.nudges import nudge
from app.lib.database import connection_lost
from app.models import (
    AuditJob,
    Backtest,
    BulkJob,
    ExportJob,
    JourneySimulation,
    LogCorrection,
    RunStatus,
)

OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)
Job = TypeVar("Job", AuditJob, Backtest, BulkJob, ExportJob, JourneySimulation, LogCorrection)

log = logging.getLogger(__name__)


class OwnedJob(NamedTuple, Generic[Job]):
    """A job and this worker's lease on it."""

    job: Job
    held: Held

    def done(self, **values: Any) -> None:
        """Mark the job as done."""
        self.held.end(status=RunStatus.DONE, progress=100, **values)

    def fail(self, error: DomainError) -> None:
        """Mark the job as failed."""
        self.held.end(status=RunStatus.FAILED, error=error.said)


class JobTable(Generic[Job]):
    """The jobs of one table; ``function`` runs them on queue "default"."""

    def __init__(self, model: type[Job], function: str) -> None:
        self.model: type[Job] = model
        self.function = function
        self.rows = LeasedRows(model, waiting=RunStatus.QUEUED, working=RunStatus.RUNNING)

    def nudge(self, job_id: int) -> None:
        """Ask a worker to run a committed job."""
        nudge("default", self.function, job_id)

    def nudge_all(self) -> None:
        """Ask workers to run every job that is queued or whose worker died."""
        free = or_(self.model.status == RunStatus.QUEUED, self.rows.expired())
        for job_id in db.session.scalars(select(self.model.id).where(free).order_by(self.model.id)).all():
            self.nudge(job_id)

    def count_open(self, user: str) -> int:
        """Return how many jobs of a user are queued or running."""
        query = select(func.count()).where(self.model.requested_by == user, self.model.status.in_(OPEN))
        return db.session.scalar(query) or 0

    @contextmanager
    def owned(self, job_id: int, **values: Any) -> Iterator[OwnedJob[Job] | None]:
        """Lease a job that is queued or whose worker died; yield None when it is taken or over.

        ``values`` are more columns to set when it begins.
        """
        with self.rows.hold(db.engine, job_id, progress=0, **values) as held:
            if held is None:
                yield None
                return
            yield OwnedJob(db.session.get_one(self.model, job_id, populate_existing=True), held)


@contextmanager
def recording_failure(
    held: Held, write: Callable[[DomainError], None], broken: str = SEE_LOG
) -> Iterator[None]:
    """Call ``write`` with a readable error when the work inside fails.

    A DomainError and a lost lease are swallowed. Any other exception is raised again for the worker's log.
    When the database connection was lost, nothing is written and another worker starts over.
    """
    try:
        yield
    except LeaseLost:
        db.session.rollback()
        log.warning("%s %s is over or was taken over by another worker", held.table, held.id)
    except DomainError as error:
        _end(write, error)
    except MemoryError:
        _end(write, DomainError(OUT_OF_MEMORY))
        raise
    except Exception as error:
        if connection_lost(error):
            with suppress(SQLAlchemyError, LeaseLost):
                held.release()
        else:
            _end(write, DomainError(broken, kind=type(error).__name__))
        raise


def _end(write: Callable[[DomainError], None], error: DomainError) -> None:
    db.session.rollback()
    with suppress(LeaseLost):
        write(error)
