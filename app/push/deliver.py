"""Sending what waits: claimed by the hundred, sent by a few threads, every answer kept at once."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flask import Flask, current_app
from sqlalchemy import ColumnElement, Engine, and_, func, or_, select
from sqlalchemy.orm import joinedload

from app.channels import channel
from app.channels.base import Message, PermanentError, SendError, Sent, TemporaryError
from app.channels.targets import secret_of, settings_of
from app.errors import SEE_LOG
from app.extensions import db
from app.lib import clock as clocks
from app.models import Delivery, DeliveryStatus, Push, Schedule, ScheduleVersion, Target, TargetStatus
from app.push import health, outbox
from app.push.attempts import Answer, record
from app.push.message import messages_of
from app.push.outbox import DELIVERIES
from app.schedules.calendar import Calendar, current
from app.schedules.definition import ScheduleDef
from app.schedules.versions import version_def
from app.schedules.windows import Window, window
from config import Settings

BATCH = 100
THREADS = 8
#: Messages of at most so many hits are held in memory at a time, or a single larger one.
HITS_AT_A_TIME = 2000
#: A worker that has nothing to do waits this long for a retry before it leaves it to the next tick.
PATIENCE_SECONDS = 20.0
#: What could not be tried because its target does not answer is tried again after this.
PUT_BACK = dt.timedelta(seconds=30)

_ACTIVE = Delivery.target.has(Target.status == TargetStatus.ACTIVE)

log = logging.getLogger(__name__)


class _Letter(NamedTuple):
    """A delivery that is ready to go, with what its schedule says by now (None for a test)."""

    delivery: Delivery
    target: Target
    message: Message
    definition: ScheduleDef | None


@dataclass
class _Batch:
    """The state that the threads of one batch share."""

    app: Flask
    engine: Engine
    owner: str
    claimed: float
    clock: Callable[[], dt.datetime]
    config: Settings
    calendar: Calendar
    #: by the schedule's code, when it may push
    windows: dict[str, Window] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    #: targets that did not answer at all: the rest of the batch leaves them alone
    silent: set[int] = field(default_factory=set)
    put_back: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def work(clock: Callable[[], dt.datetime] | None = None, *, seconds: float = 300.0, wait: bool = True) -> int:
    """Send all that is due, and with ``wait`` what falls due within moments; the number of attempts.

    Ends after about ``seconds``. Any number of workers may do this at the same time.
    """
    clock = clock or (lambda: clocks.now())
    until, attempts = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        DELIVERIES.reclaim(db.engine)
        owner, claimed = uuid.uuid4().hex, time.monotonic()
        ids = DELIVERIES.claim(db.engine, owner, _due(clock()), BATCH)
        if ids:
            attempts += _send_batch(ids, owner, claimed, clock)
            continue
        pause = _until_next(clock()) if wait else None
        if pause is None:
            break
        time.sleep(pause)
    return attempts


def _until_next(now: dt.datetime) -> float | None:
    """Seconds until something falls due, None when that is not soon."""
    query = select(func.min(Delivery.next_at)).where(Delivery.status == DeliveryStatus.WAITING, _ACTIVE)
    with db.engine.connect() as connection:
        next_at = connection.scalar(query)
    if next_at is None:
        return None
    left = float((next_at - now).total_seconds())
    return max(left, 0.05) if left <= PATIENCE_SECONDS else None


def _send_batch(ids: list[int], owner: str, claimed: float, clock: Callable[[], dt.datetime]) -> int:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    batch = _Batch(app, db.engine, owner, claimed, clock, app.config["SETTINGS"], current())
    with ThreadPoolExecutor(THREADS) as pool:
        for some in _slices(_load(db.session, ids)):
            letters = _letters(batch, some)
            list(pool.map(lambda letter: _in_context(batch, letter), letters))
    DELIVERIES.put_back(batch.engine, batch.put_back, owner, next_at=clock() + PUT_BACK)
    health.note(db.session(), batch.answers, clock(), batch.config)
    outbox.settle(db.session(), sorted({answer.push_id for answer in batch.answers}))
    db.session.commit()
    return len(batch.answers)


def _load(session: Any, ids: list[int]) -> Sequence[Delivery]:
    of_version = joinedload(ScheduleVersion.schedule).joinedload(Schedule.active_version)
    return session.scalars(
        select(Delivery)
        .where(Delivery.id.in_(ids))
        .options(
            joinedload(Delivery.target),
            joinedload(Delivery.push).options(
                joinedload(Push.schedule), joinedload(Push.version).options(of_version)
            ),
        )
        .order_by(Delivery.next_at, Delivery.id)
    ).all()


def _slices(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """The deliveries in order, so many at a time that their hits fit into memory."""
    some: list[Delivery] = []
    for delivery in deliveries:
        if some and sum(each.hits for each in some) + delivery.hits > HITS_AT_A_TIME:
            yield some
            some = []
        some.append(delivery)
    if some:
        yield some


def _letters(batch: _Batch, deliveries: list[Delivery]) -> list[_Letter]:
    """What is to be sent, read in one go; nothing is held in the database while it is sent."""
    with batch.app.app_context():
        messages = messages_of(db.session, deliveries)
        letters = [_Letter(each, each.target, messages[each.id], _definition(each)) for each in deliveries]
    let_go(db.session)
    return letters


def _definition(delivery: Delivery) -> ScheduleDef | None:
    """What the delivery's schedule says by now; a test has none."""
    version = delivery.push.version
    if delivery.push.is_test or version is None:
        return None
    return version_def(version.schedule.active_version or version)


def _is_silent(batch: _Batch, letter: _Letter) -> bool:
    """Whether its schedule is silent by now; then it waits for the first moment that no longer is."""
    definition = letter.definition
    if definition is None:
        return False
    now = batch.clock()
    found = batch.windows.get(definition.code)
    if found is None or not found.has(now):
        found = window(definition, now, batch.config.zone, batch.calendar)
        batch.windows[definition.code] = found
    if found.has(now):
        return False
    DELIVERIES.put_back(batch.engine, [letter.delivery.id], batch.owner, next_at=max(found.begins, now))
    return True


def _in_context(batch: _Batch, letter: _Letter) -> None:
    with batch.app.app_context():
        try:
            _send_one(batch, letter)
        except Exception:
            log.exception("delivery %s could not be tried; its lease runs out", letter.delivery.id)


def _send_one(batch: _Batch, letter: _Letter) -> None:
    delivery, target = letter.delivery, letter.target
    if target.id in batch.silent:
        with batch.lock:
            batch.put_back.append(delivery.id)
        return
    if _is_silent(batch, letter):
        return
    if not DELIVERIES.still_held(batch.engine, delivery.id, batch.owner, batch.claimed):
        return
    answer = attempt(delivery, target, letter.message, batch.clock(), batch.config)
    if answer.outcome == "temporary" and answer.http_status is None:
        batch.silent.add(target.id)
    if record(batch.engine, answer, batch.owner, batch.clock()):
        with batch.lock:
            batch.answers.append(answer)


def let_go(session: Any) -> None:
    """End the transaction and keep what was read: nothing is held while somebody else is waited for."""
    session.expunge_all()
    session.rollback()


def attempt(
    delivery: Delivery, target: Target, message: Message, now: dt.datetime, config: Settings
) -> Answer:
    """Send one message once and say what came of it; never raises."""
    begun = time.monotonic()
    gone = False
    try:
        sent = _send(target, message, config)
        outcome, status, said = "ok", sent.status, sent.answer
    except SendError as error:
        outcome = "permanent" if isinstance(error, PermanentError) else "temporary"
        gone = isinstance(error, PermanentError) and error.gone
        # A system may refuse without a word.
        status, said = error.status, error.said if str(error) else None
    return Answer(
        delivery_id=delivery.id,
        push_id=delivery.push_id,
        target_id=target.id,
        attempts=delivery.attempts + 1,
        tried_at=now,
        outcome=outcome,
        gone=gone,
        http_status=status,
        said=said,
        duration_ms=round((time.monotonic() - begun) * 1000),
    )


def _send(target: Target, message: Message, config: Settings) -> Sent:
    if not message.hits:
        raise PermanentError("none of the leads is there any more")
    try:
        settings, secret = settings_of(target), secret_of(target, config)
        return channel(target.kind).send(message, settings, secret, config)
    except SendError:
        raise
    except Exception as error:
        log.exception("the channel %s failed", target.kind)
        raise TemporaryError(SEE_LOG, kind=type(error).__name__) from error


def due(now: dt.datetime) -> bool:
    """Whether anything is to be sent, or was left behind by a worker."""
    free = or_(_due(now), and_(DELIVERIES.expired(), _ACTIVE))
    with db.engine.connect() as connection:
        return connection.scalar(select(Delivery.id).where(free).limit(1)) is not None


def _due(now: dt.datetime) -> ColumnElement[bool]:
    return and_(DELIVERIES.due(now), _ACTIVE)
