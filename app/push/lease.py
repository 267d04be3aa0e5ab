"""The lease on deliveries: one worker at a time, by the database's clock, given up by silence."""

from __future__ import annotations

import datetime as dt
import time

from sqlalchemy import Engine, func, select, text, update

from app.models import Delivery, DeliveryStatus, Target, TargetStatus

LEASE_SECONDS = 120
#: So long after a claim its lease can't have run out, an attempt that begins then included.
CERTAIN_SECONDS = 30.0

_UNTIL = text("now() + make_interval(secs => :lease)").bindparams(lease=LEASE_SECONDS)


def sweep(engine: Engine) -> int:
    """Take back what workers that fell silent had; it waits again, due at once. The number taken back."""
    with engine.begin() as connection:
        found = connection.execute(
            update(Delivery)
            .where(Delivery.status == DeliveryStatus.SENDING, Delivery.lease_until < func.now())
            .values(status=DeliveryStatus.WAITING, lease_owner=None, lease_until=None)
        )
        return found.rowcount


def claim(engine: Engine, owner: str, now: dt.datetime, limit: int) -> list[int]:
    """Lease up to ``limit`` deliveries that are due at ``now``, oldest first; their ids."""
    due = (
        select(Delivery.id)
        .join(Target, Target.id == Delivery.target_id)
        .where(
            Delivery.status == DeliveryStatus.WAITING,
            Delivery.next_at <= now,
            Target.status == TargetStatus.ACTIVE,
        )
        .order_by(Delivery.next_at, Delivery.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=Delivery)
    )
    with engine.begin() as connection:
        leased = connection.scalars(
            update(Delivery)
            .where(Delivery.id.in_(due.scalar_subquery()))
            .values(status=DeliveryStatus.SENDING, lease_owner=owner, lease_until=_UNTIL)
            .returning(Delivery.id)
        )
        return sorted(leased)


def holds(engine: Engine, delivery_id: int, owner: str, claimed: float) -> bool:
    """Whether the delivery is still this worker's; asked before each send.

    ``claimed`` is when it was claimed, by time.monotonic(): in the first part of the lease it is certain,
    afterwards the database is asked and the lease renewed.
    """
    if time.monotonic() - claimed < CERTAIN_SECONDS:
        return True
    with engine.begin() as connection:
        mine = connection.execute(
            update(Delivery)
            .where(
                Delivery.id == delivery_id,
                Delivery.status == DeliveryStatus.SENDING,
                Delivery.lease_owner == owner,
                Delivery.lease_until > func.now(),
            )
            .values(lease_until=_UNTIL)
        )
        return mine.rowcount == 1


def put_back(engine: Engine, ids: list[int], owner: str, next_at: dt.datetime) -> None:
    """Let go of deliveries that were not tried; they go out at ``next_at``."""
    if not ids:
        return
    with engine.begin() as connection:
        connection.execute(
            update(Delivery)
            .where(Delivery.id.in_(ids), Delivery.lease_owner == owner)
            .values(status=DeliveryStatus.WAITING, lease_owner=None, lease_until=None, next_at=next_at)
        )
