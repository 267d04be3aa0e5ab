"""Leased rows: one worker at a time holds a row, until its lease expires by the database's clock.

A worker claims rows (status ``working``, lease owner, lease end), checks its lease before each step that
can't be undone, and stores a result only while it holds the lease. An expired row can be claimed again.
``attempts`` of an ``Attempted`` table counts the claims, except those that were put back and those that a
restart of the database interrupted, so that work which kills its workers is given up after a few attempts.

Three kinds of work differ:

- Deliveries are claimed a hundred at a time, and a worker that dies has tried few of them. Their attempts are
  therefore counted with the answers (``app/push/attempts.py``).
- A contact whose worker died may have reached the customer. It becomes ``unknown`` and its gateway is asked
  (``app/outreach/sending.py``); its attempts count hand-overs to the gateway.
- An import, its undo and the check of an outreach batch are one transaction each. They take an advisory lock
  (``app/jobs/locks.py``), which ends with the transaction, so that nobody waits for a lease to expire.
"""

from __future__ import annotations

import _thread
import datetime as dt
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, case, func, or_, select, update

from app.errors import N_, DomainError
from app.lib import clock
from app.models import Attempted, Leased

#: how long a lease lasts unless its table says otherwise, and how often long work renews it
SECONDS = 60
RENEW_SECONDS = 15
#: Give up after three attempts, so that a job which kills its workers can't loop.
MAX_ATTEMPTS = 3
GIVEN_UP = N_(
    "Given up: the worker was interrupted %(n)s times at this. It may need more memory than there is."
)
RELEASED: dict[str, Any] = {"lease_owner": None, "lease_until": None}

log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """The lease is over: another worker has the row, or the work has ended. Stop without writing."""


def next_attempt_at(
    attempts: int, pauses: Sequence[dt.timedelta], now: dt.datetime, most: int | None = None
) -> dt.datetime | None:
    """Return the time of the next attempt after ``attempts`` failures, None after the last of ``most``.

    By default there is one attempt more than pauses. The last pause is repeated.
    """
    if attempts >= (most or len(pauses) + 1):
        return None
    return now + pauses[min(attempts, len(pauses)) - 1]


def check_attempts(attempts: int, refusal: str = GIVEN_UP) -> None:
    """Raise DomainError when MAX_ATTEMPTS earlier attempts were all interrupted."""
    if attempts > MAX_ATTEMPTS:
        raise DomainError(refusal, n=MAX_ATTEMPTS)


def begin_attempt(model: Any, *unfinished: ColumnElement[bool]) -> dict[str, Any]:
    """Return the columns of an ``Attempted`` table to set when a worker begins.

    An attempt that began before the last start of the database is not counted: the restart may have ended it.
    ``unfinished`` are criteria for a last attempt without a result.
    """
    interrupted = and_(model.attempts > 0, model.attempted_at < func.pg_postmaster_start_time(), *unfinished)
    attempts = case((interrupted, model.attempts), else_=model.attempts + 1)
    # The server's own time, as that of its start is.
    return {"attempts": attempts, "attempted_at": func.clock_timestamp()}


class LeasedRows:
    """A table whose rows are leased: they go from status ``waiting`` to ``working`` to a result.

    ``abandoned`` is the status that ``reclaim`` gives to a row whose lease expired.
    """

    def __init__(
        self,
        model: type[Leased],
        *,
        waiting: str,
        working: str,
        abandoned: str | None = None,
        seconds: int = SECONDS,
    ) -> None:
        self.model: Any = model
        self.waiting, self.working, self.abandoned = waiting, working, abandoned or waiting
        self.seconds = seconds
        self._counts = issubclass(model, Attempted)

    def lease_end(self) -> ColumnElement[Any]:
        """Return the end of a lease that begins now."""
        return clock.BEGAN + func.make_interval(0, 0, 0, 0, 0, 0, self.seconds)

    def expired(self) -> ColumnElement[bool]:
        """Return the criterion that a row's lease expired: its worker died or hangs."""
        over = or_(self.model.lease_until.is_(None), self.model.lease_until < clock.BEGAN)
        return and_(self.model.status == self.working, over)

    def due(self, now: dt.datetime) -> ColumnElement[bool]:
        """Return the criterion that a row waits and is due at ``now``."""
        return and_(self.model.status == self.waiting, self.model.next_at <= now)

    def held_by(self, row_id: int | ColumnElement[int], owner: str) -> ColumnElement[bool]:
        """Return the criterion that ``owner`` holds the row."""
        return and_(self.model.id == row_id, self._held(owner))

    def _held(self, owner: str) -> ColumnElement[bool]:
        return and_(self.model.status == self.working, self.model.lease_owner == owner)

    def claim(
        self, engine: Engine, owner: str, free: ColumnElement[bool], limit: int = 1, **values: Any
    ) -> list[int]:
        """Lease up to ``limit`` of the ``free`` rows, those due longest first. Return their ids."""
        order = [getattr(self.model, name) for name in ("next_at", "id") if hasattr(self.model, name)]
        query = select(self.model.id).where(free).order_by(*order).limit(limit)
        # A plan may read a sub-query anew for each row, and each time it would skip what it has just locked;
        # a common table expression is read once.
        free_rows = query.with_for_update(skip_locked=True, of=self.model).cte("free_rows")
        lease = {"status": self.working, "lease_owner": owner, "lease_until": self.lease_end(), **values}
        if self._counts:
            lease |= begin_attempt(self.model, self.model.status == self.working)
        claimed = update(self.model).where(self.model.id.in_(select(free_rows.c.id))).values(**lease)
        with engine.begin() as connection:
            return sorted(connection.scalars(claimed.returning(self.model.id)))

    def reclaim(self, engine: Engine) -> int:
        """Release the rows whose lease expired. Return how many."""
        released = update(self.model).where(self.expired()).values(status=self.abandoned, **RELEASED)
        with engine.begin() as connection:
            return connection.execute(released).rowcount

    def still_held(self, engine: Engine, row_id: int, owner: str, claimed: float | None = None) -> bool:
        """Return whether ``owner`` still holds the row. Ask before each step that can't be undone.

        ``claimed`` is the time of the claim by time.monotonic(). In the first quarter of the lease the answer
        is certain; afterwards the database is asked and the lease renewed.
        """
        if claimed is not None and time.monotonic() - claimed < self.seconds / 4:
            return True
        renewal = update(self.model).where(self.held_by(row_id, owner), self.model.lease_until > clock.BEGAN)
        with engine.begin() as connection:
            return connection.execute(renewal.values(lease_until=self.lease_end())).rowcount == 1

    def put_back(self, engine: Engine, ids: Sequence[int], owner: str, **values: Any) -> None:
        """Release rows that were not tried: they wait again, with ``values``."""
        untried = {"attempts": func.greatest(self.model.attempts - 1, 0)} if self._counts else {}
        waiting = {"status": self.waiting, **RELEASED, **untried, **values}
        own = and_(self.model.id.in_(ids), self._held(owner))
        with engine.begin() as connection:
            connection.execute(update(self.model).where(own).values(**waiting))

    @contextmanager
    def hold(self, engine: Engine, row_id: int, **values: Any) -> Iterator[Held | None]:
        """Lease one row for long work and renew the lease in a thread; yield None when it is not free."""
        owner = uuid.uuid4().hex
        free = and_(self.model.id == row_id, or_(self.model.status == self.waiting, self.expired()))
        if not self.claim(engine, owner, free, **values):
            yield None
            return
        held, done = Held(self, engine, row_id, owner), threading.Event()
        _start_renewing(held, done)
        try:
            yield held
        finally:
            done.set()


class Held:
    """This worker's lease on a row. Every write goes through it, and raises LeaseLost once it is over."""

    def __init__(self, rows: LeasedRows, engine: Engine, row_id: int, owner: str) -> None:
        self._rows, self._engine, self._owner = rows, engine, owner
        self.id, self.table = row_id, str(rows.model.__tablename__)

    def write(self, **values: Any) -> None:
        """Change the row and renew the lease."""
        self._write({"lease_until": self._rows.lease_end(), **values})

    def end(self, connection: Connection | None = None, **values: Any) -> None:
        """Store the end of the work and release the lease, in the transaction of ``connection`` if given."""
        self._write({"finished_at": clock.BEGAN, **RELEASED, **values}, connection)

    def release(self) -> None:
        """Release the lease with the work unfinished: another worker may start over at once."""
        self._write(RELEASED)

    def _write(self, values: dict[str, Any], within: Connection | None = None) -> None:
        own = update(self._rows.model).where(self._rows.held_by(self.id, self._owner))
        with self._engine.begin() if within is None else nullcontext(within) as connection:
            if connection.execute(own.values(**values)).rowcount != 1:
                raise LeaseLost(f"{self.table} {self.id}")


def _start_renewing(held: Held, done: threading.Event) -> None:
    # Without memory for the thread, threading.Thread.start() would wait forever.
    try:
        _thread.start_new_thread(_renew, (held, done))
    except RuntimeError:
        log.warning("%s %s: no thread renews the lease", held.table, held.id)


def _renew(held: Held, done: threading.Event) -> None:
    while not done.wait(RENEW_SECONDS):
        try:
            held.write()
        except LeaseLost:
            return
        except Exception:  # noqa: BLE001, S112 - the next write of the worker reports it
            continue
