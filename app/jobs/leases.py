"""Leased rows: one worker at a time has a row, by the database's clock, and loses it by falling silent.

A worker claims rows (``working``, with its name and until when), asks before each step that can't be undone
whether a row is still its own, and writes what came of it only while it is. A row whose worker fell silent is
claimed again. ``attempts`` of a table that is ``Attempted`` counts the claims, without those that were put
back and those that a restart of the database ended: work that brings its workers down is given up, too.

What differs, and why:

- Deliveries are claimed a hundred at a time and most of a dead worker's were not tried, so that their
  attempts are counted with the answers (``app/push/attempts.py``).
- A contact whose sender fell silent may have reached its customer: it becomes ``unknown``, and its gateway
  is asked (``app/outreach/sending.py``); an attempt is a hand-over.
- An import, its undo and the check of an outreach batch are one transaction each. An advisory lock of that
  very transaction (``app/jobs/locks.py``) ends with it, so that nobody waits for a lease to run out.
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
from app.models import Attempted, Leased

#: how long a worker has what it claimed, unless its table says otherwise, and how often long work renews that
SECONDS = 60
RENEW_SECONDS = 15
#: a long job that this many workers began and none ended is given up
MOST_ATTEMPTS = 3
GIVEN_UP = N_(
    "Given up: the worker was interrupted %(n)s times at this. It may need more memory than there is."
)
RELEASED: dict[str, Any] = {"lease_owner": None, "lease_until": None}

log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """The row is another worker's or over by now; who had it must stop without writing."""


def next_try(
    attempts: int, pauses: Sequence[dt.timedelta], now: dt.datetime, most: int | None = None
) -> dt.datetime | None:
    """When a row goes again after its ``attempts``-th failure, None after the last of ``most``.

    By default there is one attempt more than pauses; later attempts wait as long as the last pause.
    """
    if attempts >= (most or len(pauses) + 1):
        return None
    return now + pauses[min(attempts, len(pauses)) - 1]


def check_attempts(attempts: int, refusal: str = GIVEN_UP) -> None:
    """Raise DomainError when MOST_ATTEMPTS workers began something before this one and none ended it."""
    if attempts > MOST_ATTEMPTS:
        raise DomainError(refusal, n=MOST_ATTEMPTS)


def attempt(model: Any, *unended: ColumnElement[bool]) -> dict[str, Any]:
    """The columns of an ``Attempted`` table to write when a worker begins.

    One that began before the database last started is not counted: the restart may well be what ended it.
    ``unended`` are criteria that the last attempt came to no end.
    """
    restarted = and_(model.attempts > 0, model.attempted_at < func.pg_postmaster_start_time(), *unended)
    attempts = case((restarted, model.attempts), else_=model.attempts + 1)
    return {"attempts": attempts, "attempted_at": func.clock_timestamp()}


class LeasedRows:
    """The rows of a table that are done once they went from ``waiting`` to ``working`` and on.

    ``silent`` is what a row becomes whose worker fell silent and that ``take_back`` finds.
    """

    def __init__(
        self,
        model: type[Leased],
        *,
        waiting: str,
        working: str,
        silent: str | None = None,
        seconds: int = SECONDS,
    ) -> None:
        self.model: Any = model
        self.waiting, self.working, self.silent = waiting, working, silent or waiting
        self.seconds = seconds
        self._counts = issubclass(model, Attempted)

    def until(self) -> ColumnElement[Any]:
        """When a lease that begins now runs out."""
        return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, self.seconds)

    def lost(self) -> ColumnElement[bool]:
        """Criterion: the row's worker fell silent."""
        silent = or_(self.model.lease_until.is_(None), self.model.lease_until < func.now())
        return and_(self.model.status == self.working, silent)

    def ready(self, now: dt.datetime) -> ColumnElement[bool]:
        """Criterion: the row waits and is due at ``now``."""
        return and_(self.model.status == self.waiting, self.model.next_at <= now)

    def mine(self, row_id: int, owner: str) -> ColumnElement[bool]:
        """Criterion: the row is this worker's."""
        return and_(self.model.id == row_id, self._held_by(owner))

    def _held_by(self, owner: str) -> ColumnElement[bool]:
        return and_(self.model.status == self.working, self.model.lease_owner == owner)

    def claim(
        self, engine: Engine, owner: str, free: ColumnElement[bool], limit: int = 1, **values: Any
    ) -> list[int]:
        """Lease up to ``limit`` rows of those that are ``free``, those due longest first; their ids."""
        order = [getattr(self.model, name) for name in ("next_at", "id") if hasattr(self.model, name)]
        chosen = select(self.model.id).where(free).order_by(*order).limit(limit)
        chosen = chosen.with_for_update(skip_locked=True, of=self.model)
        held = {"status": self.working, "lease_owner": owner, "lease_until": self.until(), **values}
        if self._counts:
            held |= attempt(self.model, self.model.status == self.working)
        taken = update(self.model).where(self.model.id.in_(chosen.scalar_subquery())).values(**held)
        with engine.begin() as connection:
            return sorted(connection.scalars(taken.returning(self.model.id)))

    def take_back(self, engine: Engine) -> int:
        """Take the rows whose workers fell silent from them; how many."""
        left = update(self.model).where(self.lost()).values(status=self.silent, **RELEASED)
        with engine.begin() as connection:
            return connection.execute(left).rowcount

    def still_mine(self, engine: Engine, row_id: int, owner: str, claimed: float | None = None) -> bool:
        """Whether the row is this worker's; asked before each step that can't be undone.

        ``claimed`` is when it was claimed, by time.monotonic(): in the first quarter of the lease it is
        certain, afterwards the database is asked and the lease renewed.
        """
        if claimed is not None and time.monotonic() - claimed < self.seconds / 4:
            return True
        own = update(self.model).where(self.mine(row_id, owner), self.model.lease_until > func.now())
        with engine.begin() as connection:
            return connection.execute(own.values(lease_until=self.until())).rowcount == 1

    def put_back(self, engine: Engine, ids: Sequence[int], owner: str, **values: Any) -> None:
        """Give up rows that were not tried; they wait again, with these values."""
        untried = {"attempts": func.greatest(self.model.attempts - 1, 0)} if self._counts else {}
        for_others = {"status": self.waiting, **RELEASED, **untried, **values}
        own = and_(self.model.id.in_(ids), self._held_by(owner))
        with engine.begin() as connection:
            connection.execute(update(self.model).where(own).values(**for_others))

    @contextmanager
    def hold(self, engine: Engine, row_id: int, **values: Any) -> Iterator[Held | None]:
        """Lease one row for long work, if it waits or lost its worker; a thread renews that until the end."""
        owner = uuid.uuid4().hex
        free = and_(self.model.id == row_id, or_(self.model.status == self.waiting, self.lost()))
        if not self.claim(engine, owner, free, **values):
            yield None
            return
        held, done = Held(self, engine, row_id, owner), threading.Event()
        _keep(held, done)
        try:
            yield held
        finally:
            done.set()


class Held:
    """This worker's hold on a row. Every write goes through it and raises LeaseLost once the hold is over."""

    def __init__(self, rows: LeasedRows, engine: Engine, row_id: int, owner: str) -> None:
        self._rows, self._engine, self._owner = rows, engine, owner
        self.id, self.table = row_id, str(rows.model.__tablename__)

    def write(self, **values: Any) -> None:
        """Change the row and begin the lease anew."""
        self._write({"lease_until": self._rows.until(), **values})

    def end(self, connection: Connection | None = None, **values: Any) -> None:
        """Write the end of the work and give up the lease, if wanted in the transaction of a connection."""
        self._write({"finished_at": func.now(), **RELEASED, **values}, connection)

    def release(self) -> None:
        """Give the lease up without an end of the work: another worker may begin again at once."""
        self._write(RELEASED)

    def _write(self, values: dict[str, Any], within: Connection | None = None) -> None:
        own = update(self._rows.model).where(self._rows.mine(self.id, self._owner))
        with self._engine.begin() if within is None else nullcontext(within) as connection:
            if connection.execute(own.values(**values)).rowcount != 1:
                raise LeaseLost(f"{self.table} {self.id}")


def _keep(held: Held, done: threading.Event) -> None:
    # threading.Thread.start() would wait for ever for a thread that there is no memory for.
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
        except Exception:  # noqa: BLE001, S112 - the next write of the worker itself will tell
            continue
