"""Background jobs that are rows: asked for by a person, held by one worker, saying how far they are."""

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
from app.models import AuditJob, Backtest, BulkJob, ExportJob, RunStatus

OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)
Job = TypeVar("Job", AuditJob, Backtest, BulkJob, ExportJob)

log = logging.getLogger(__name__)


class Owned(NamedTuple, Generic[Job]):
    """A job and this worker's hold on it."""

    job: Job
    held: Held

    def done(self, **values: Any) -> None:
        """End a job that is made."""
        self.held.end(status=RunStatus.DONE, progress=100, **values)

    def fail(self, error: DomainError) -> None:
        """End a job that can't be made."""
        self.held.end(status=RunStatus.FAILED, error=error.said)


class JobTable(Generic[Job]):
    """The jobs of one table, which ``function`` does on queue "default"."""

    def __init__(self, model: type[Job], function: str) -> None:
        self.model: type[Job] = model
        self.function = function
        self.rows = LeasedRows(model, waiting=RunStatus.QUEUED, working=RunStatus.RUNNING)

    def nudge(self, job_id: int) -> None:
        """Ask a worker to do a job that is committed."""
        nudge("default", self.function, job_id)

    def nudge_all(self) -> None:
        """Ask again for every job that waits for a worker or lost it."""
        free = or_(self.model.status == RunStatus.QUEUED, self.rows.lost())
        for job_id in db.session.scalars(select(self.model.id).where(free).order_by(self.model.id)).all():
            self.nudge(job_id)

    def open_of(self, who: str) -> int:
        """How many jobs of a person wait or are made."""
        theirs = select(func.count()).where(self.model.requested_by == who, self.model.status.in_(OPEN))
        return db.session.scalar(theirs) or 0

    @contextmanager
    def owned(self, job_id: int, **values: Any) -> Iterator[Owned[Job] | None]:
        """The job, if it waits or lost its worker; None when another worker has it or it is over.

        ``values`` are more columns of one that begins.
        """
        with self.rows.hold(db.engine, job_id, progress=0, **values) as held:
            if held is None:
                yield None
                return
            yield Owned(db.session.get_one(self.model, job_id, populate_existing=True), held)


@contextmanager
def failing(held: Held, write: Callable[[DomainError], None], broken: str = SEE_LOG) -> Iterator[None]:
    """Have ``write`` end the work with what a person can read when it fails.

    A refusal ends here, and so does work on a row that is over or another's by now. Anything else is raised
    again for the worker's log. When the database is lost another worker begins again, and nothing is written.
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
