"""Send due deliveries: claim 100 at a time, send them from a thread pool, record each result at once."""

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
from app.models import (
    Delivery,
    DeliveryStatus,
    JourneyVersion,
    Push,
    Schedule,
    ScheduleVersion,
    Target,
    TargetStatus,
)
from app.push import health, outbox
from app.push.attempts import Answer, record
from app.push.message import messages_of
from app.push.outbox import DELIVERIES
from app.schedules.calendar import Calendar, current
from app.schedules.definition import ScheduleDef
from app.schedules.versions import version_def
from app.schedules.windows import Window, window
from config import Settings

CLAIM_SIZE = 100
THREADS = 8
#: Messages of at most this many hits are held in memory at a time, or a single larger one.
HITS_AT_A_TIME = 2000
#: An idle worker waits at most this long for the next retry before it leaves it to the next tick.
MAX_PAUSE_SECONDS = 20.0
#: Deliveries skipped because their target does not answer are tried again after this.
PUT_BACK = dt.timedelta(seconds=30)

_ACTIVE = Delivery.target.has(Target.status == TargetStatus.ACTIVE)

log = logging.getLogger(__name__)


class _Outgoing(NamedTuple):
    """A delivery that is ready to be sent, with its schedule's current definition, if it has one."""

    delivery: Delivery
    target: Target
    message: Message
    definition: ScheduleDef | None


@dataclass
class _Claim:
    """The state shared by the threads that send the deliveries claimed together."""

    app: Flask
    engine: Engine
    owner: str
    claimed: float
    clock: Callable[[], dt.datetime]
    config: Settings
    calendar: Calendar
    #: by the schedule's code, the time during which it may push
    windows: dict[str, Window] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    #: targets that did not answer at all; the other deliveries to them are skipped
    silent: set[int] = field(default_factory=set)
    put_back: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def work(clock: Callable[[], dt.datetime] | None = None, *, seconds: float = 300.0, wait: bool = True) -> int:
    """Send all due deliveries for up to ``seconds``. Return the number of attempts.

    With ``wait``, also send deliveries that fall due within MAX_PAUSE_SECONDS. Any number of workers may do
    this at the same time.
    """
    clock = clock or (lambda: clocks.now())
    until, attempts = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        DELIVERIES.reclaim(db.engine)
        owner, claimed = uuid.uuid4().hex, time.monotonic()
        ids = DELIVERIES.claim(db.engine, owner, _due(clock()), CLAIM_SIZE)
        if ids:
            attempts += _send_claimed(ids, owner, claimed, clock)
            continue
        pause = _until_next(clock()) if wait else None
        if pause is None:
            break
        time.sleep(pause)
    return attempts


def _until_next(now: dt.datetime) -> float | None:
    """Return the seconds until the next delivery falls due, None when that is not soon."""
    query = select(func.min(Delivery.next_at)).where(Delivery.status == DeliveryStatus.WAITING, _ACTIVE)
    with db.engine.connect() as connection:
        next_at = connection.scalar(query)
    if next_at is None:
        return None
    left = float((next_at - now).total_seconds())
    return max(left, 0.05) if left <= MAX_PAUSE_SECONDS else None


def _send_claimed(ids: list[int], owner: str, claimed: float, clock: Callable[[], dt.datetime]) -> int:
    """Send the claimed deliveries and commit. Return the number of attempts."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    claim = _Claim(app, db.engine, owner, claimed, clock, app.config["SETTINGS"], current())
    with ThreadPoolExecutor(THREADS) as pool:
        for deliveries in _slices(_load(db.session, ids)):
            prepared = _prepare(claim, deliveries)
            list(pool.map(lambda outgoing: _send_in_context(claim, outgoing), prepared))
    DELIVERIES.put_back(claim.engine, claim.put_back, owner, next_at=clock() + PUT_BACK)
    health.update_targets(db.session(), claim.answers, clock(), claim.config)
    outbox.settle(db.session(), sorted({answer.push_id for answer in claim.answers}))
    db.session.commit()
    return len(claim.answers)


def _load(session: Any, ids: list[int]) -> Sequence[Delivery]:
    of_version = joinedload(ScheduleVersion.schedule).joinedload(Schedule.active_version)
    return session.scalars(
        select(Delivery)
        .where(Delivery.id.in_(ids))
        .options(
            joinedload(Delivery.target),
            joinedload(Delivery.push).options(
                joinedload(Push.schedule),
                joinedload(Push.version).options(of_version),
                joinedload(Push.journey_version).joinedload(JourneyVersion.journey),
            ),
        )
        .order_by(Delivery.next_at, Delivery.id)
    ).all()


def _slices(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Yield the deliveries in order, in slices whose hits fit into memory."""
    part: list[Delivery] = []
    for delivery in deliveries:
        if part and sum(each.hits for each in part) + delivery.hits > HITS_AT_A_TIME:
            yield part
            part = []
        part.append(delivery)
    if part:
        yield part


def _prepare(claim: _Claim, deliveries: list[Delivery]) -> list[_Outgoing]:
    """Read all that is to be sent, so that no transaction is open while it is sent."""
    with claim.app.app_context():
        messages = messages_of(db.session, deliveries)
        prepared = [_Outgoing(each, each.target, messages[each.id], _definition(each)) for each in deliveries]
    close_session(db.session)
    return prepared


def _definition(delivery: Delivery) -> ScheduleDef | None:
    """Return the current definition of the delivery's schedule, None for a test or a journey."""
    version = delivery.push.version
    if delivery.push.is_test or version is None:
        return None
    return version_def(version.schedule.active_version or version)


def _put_back_if_silent(claim: _Claim, outgoing: _Outgoing) -> bool:
    """Put the delivery back until its schedule may push. Return whether that is later than now."""
    definition = outgoing.definition
    if definition is None:
        return False
    now = claim.clock()
    allowed = claim.windows.get(definition.code)
    if allowed is None or not allowed.has(now):
        allowed = window(definition, now, claim.config.zone, claim.calendar)
        claim.windows[definition.code] = allowed
    if allowed.has(now):
        return False
    DELIVERIES.put_back(claim.engine, [outgoing.delivery.id], claim.owner, next_at=max(allowed.begins, now))
    return True


def _send_in_context(claim: _Claim, outgoing: _Outgoing) -> None:
    with claim.app.app_context():
        try:
            _send_one(claim, outgoing)
        except Exception:
            log.exception("delivery %s could not be tried; its lease runs out", outgoing.delivery.id)


def _send_one(claim: _Claim, outgoing: _Outgoing) -> None:
    delivery, target = outgoing.delivery, outgoing.target
    if target.id in claim.silent:
        with claim.lock:
            claim.put_back.append(delivery.id)
        return
    if _put_back_if_silent(claim, outgoing):
        return
    if not DELIVERIES.still_held(claim.engine, delivery.id, claim.owner, claim.claimed):
        return
    answer = attempt(delivery, target, outgoing.message, claim.clock(), claim.config)
    if answer.outcome == "temporary" and answer.http_status is None:
        claim.silent.add(target.id)
    if record(claim.engine, answer, claim.owner, claim.clock()):
        with claim.lock:
            claim.answers.append(answer)


def close_session(session: Any) -> None:
    """End the transaction but keep the loaded objects usable, so that no lock is held while sending."""
    session.expunge_all()
    session.rollback()


def attempt(
    delivery: Delivery, target: Target, message: Message, now: dt.datetime, config: Settings
) -> Answer:
    """Send one message once and return the result. Never raises."""
    started = time.monotonic()
    gone = False
    try:
        sent = _send(target, message, config)
        outcome, status, reply = "ok", sent.status, sent.answer
    except SendError as error:
        outcome = "permanent" if isinstance(error, PermanentError) else "temporary"
        gone = isinstance(error, PermanentError) and error.gone
        # A system may refuse with an empty answer.
        status, reply = error.status, error.said if str(error) else None
    return Answer(
        delivery_id=delivery.id,
        push_id=delivery.push_id,
        target_id=target.id,
        attempts=delivery.attempts + 1,
        tried_at=now,
        outcome=outcome,
        gone=gone,
        http_status=status,
        said=reply,
        duration_ms=round((time.monotonic() - started) * 1000),
    )


def _send(target: Target, message: Message, config: Settings) -> Sent:
    if not message.hits and not message.customers:
        raise PermanentError("all of its leads have been deleted")
    try:
        settings, secret = settings_of(target), secret_of(target, config)
        return channel(target.kind).send(message, settings, secret, config)
    except SendError:
        raise
    except Exception as error:
        log.exception("the channel %s failed", target.kind)
        raise TemporaryError(SEE_LOG, kind=type(error).__name__) from error


def due(now: dt.datetime) -> bool:
    """Whether any delivery is due, or was left behind by a worker that died."""
    free = or_(_due(now), and_(DELIVERIES.expired(), _ACTIVE))
    with db.engine.connect() as connection:
        return connection.scalar(select(Delivery.id).where(free).limit(1)) is not None


def _due(now: dt.datetime) -> ColumnElement[bool]:
    return and_(DELIVERIES.due(now), _ACTIVE)
