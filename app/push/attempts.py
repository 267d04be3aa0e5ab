"""What came of an attempt, written down the moment it is known."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Any

from sqlalchemy import DateTime, Engine, Integer, bindparam, insert, literal, select, update

from app.errors import Said
from app.jobs.leases import RELEASED, next_attempt_at
from app.lib.said import SaidType
from app.models import Delivery, DeliveryAttempt, DeliveryStatus
from app.push.outbox import DELIVERIES

#: Waits between attempts; after the last of them a delivery is a dead letter.
BACK_OFF = tuple(dt.timedelta(seconds=each) for each in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600))

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """One attempt: ``outcome`` is ok, temporary or permanent; ``gone``: the target wants nothing more."""

    delivery_id: int
    push_id: int
    target_id: int
    attempts: int
    tried_at: dt.datetime
    outcome: str
    gone: bool
    http_status: int | None
    said: Said | None
    duration_ms: int


def record(engine: Engine, answer: Answer, owner: str, now: dt.datetime) -> bool:
    """Keep the attempt and what follows from it; False when the lease is another's by now."""
    mine = (
        update(Delivery)
        .where(DELIVERIES.held_by(answer.delivery_id, owner))
        .values(**_next_state(answer, now), **RELEASED)
        .returning(Delivery.id)
        .cte("mine")
    )
    tried = {
        "delivery_id": mine.c.id,
        "tried_at": bindparam("tried_at", answer.tried_at, DateTime(timezone=True)),
        "outcome": literal(answer.outcome),
        "http_status": bindparam("http_status", answer.http_status, Integer),
        "answer": literal(answer.said, SaidType()),
        "duration_ms": literal(answer.duration_ms),
    }
    kept = insert(DeliveryAttempt).from_select(list(tried), select(*tried.values()))
    # One statement, one round trip: what was sent and is not written down yet would be sent again.
    with engine.begin() as connection:
        done = connection.execute(kept.returning(DeliveryAttempt.id)).first()
    if done is None:
        log.warning("delivery %s was taken over by another worker", answer.delivery_id)
    return done is not None


def _next_state(answer: Answer, now: dt.datetime) -> dict[str, Any]:
    common = {"attempts": answer.attempts, "answer": answer.said}
    if answer.outcome == "ok":
        return common | {"status": DeliveryStatus.SENT, "next_at": None, "done_at": now}
    if answer.gone:
        # The target is stopped; should it come back, this still waits for it.
        return common | {"status": DeliveryStatus.WAITING, "next_at": now}
    next_at = next_attempt_at(answer.attempts, BACK_OFF, now) if answer.outcome == "temporary" else None
    if next_at is None:
        return common | {"status": DeliveryStatus.DEAD, "next_at": None, "done_at": now}
    return common | {"status": DeliveryStatus.WAITING, "next_at": next_at}
