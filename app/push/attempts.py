"""Results of delivery attempts, each recorded at once."""

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

#: Waits between attempts. After the last of them a failed delivery becomes a dead letter.
BACK_OFF = tuple(dt.timedelta(seconds=each) for each in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600))

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """The result of one attempt.

    ``outcome`` is ok, temporary or permanent. ``gone`` means that the target accepts nothing any more.
    """

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
    """Record the attempt and update the delivery. Return False when another worker holds its lease."""
    mine = (
        update(Delivery)
        .where(DELIVERIES.held_by(answer.delivery_id, owner))
        .values(**_next_state(answer, now), **RELEASED)
        .returning(Delivery.id)
        .cte("mine")
    )
    columns = {
        "delivery_id": mine.c.id,
        "tried_at": bindparam("tried_at", answer.tried_at, DateTime(timezone=True)),
        "outcome": literal(answer.outcome),
        "http_status": bindparam("http_status", answer.http_status, Integer),
        "answer": literal(answer.said, SaidType()),
        "duration_ms": literal(answer.duration_ms),
    }
    insertion = insert(DeliveryAttempt).from_select(list(columns), select(*columns.values()))
    # One statement and one round trip, because a message that was sent but not recorded would be sent again.
    with engine.begin() as connection:
        recorded = connection.execute(insertion.returning(DeliveryAttempt.id)).first()
    if recorded is None:
        log.warning("delivery %s was taken over by another worker", answer.delivery_id)
    return recorded is not None


def _next_state(answer: Answer, now: dt.datetime) -> dict[str, Any]:
    common = {"attempts": answer.attempts, "answer": answer.said}
    if answer.outcome == "ok":
        return common | {"status": DeliveryStatus.SENT, "next_at": None, "done_at": now}
    if answer.gone:
        # The target is stopped. If it is resumed, this delivery is still waiting for it.
        return common | {"status": DeliveryStatus.WAITING, "next_at": now}
    next_at = next_attempt_at(answer.attempts, BACK_OFF, now) if answer.outcome == "temporary" else None
    if next_at is None:
        return common | {"status": DeliveryStatus.DEAD, "next_at": None, "done_at": now}
    return common | {"status": DeliveryStatus.WAITING, "next_at": next_at}
