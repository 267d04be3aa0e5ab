"""Rows of pushes and deliveries: creating them, and the actions that users can take on a delivery."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import case, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.orm import Session

from app.channels import channel, targets
from app.errors import DomainError
from app.jobs.leases import LeasedRows
from app.models import (
    Delivery,
    DeliveryStatus,
    Hit,
    JourneyStep,
    JourneyVersion,
    Push,
    PushHit,
    PushStatus,
    Rule,
    ScheduleVersion,
    Target,
)
from app.schedules.definition import ScheduleDef
from app.schedules.plan import Push as Planned

SYSTEM = "system"
DELIVERIES = LeasedRows(Delivery, waiting=DeliveryStatus.WAITING, working=DeliveryStatus.SENDING, seconds=120)
_UNSEEN = {"synchronize_session": False}
LIVE = (DeliveryStatus.WAITING, DeliveryStatus.SENDING)


class _Part(NamedTuple):
    first: int
    last: int
    hits: int


def new_uid() -> str:
    """Return a new message id for the receiver, which stays the same for every attempt."""
    return f"msg_{uuid.uuid4().hex}"


def make_push(
    session: Session,
    version: ScheduleVersion,
    definition: ScheduleDef,
    slot: Planned,
    *,
    at: dt.datetime,
    missed: int,
) -> int | None:
    """Create the push of a slot with the hits not yet pushed by the schedule, and its deliveries.

    Return the push's id, or None when the slot was pushed already. Without a channel no hits are taken, so
    that a later push with one has them. Does not commit.
    """
    values = {
        "schedule_id": version.schedule_id,
        "version_id": version.id,
        "slot": slot.planned,
        "at": at,
        "outcome": slot.outcome if at == slot.at else "delayed",
        "why": slot.why if at == slot.at else "late",
        "missed": missed,
        "requested_by": SYSTEM,
    }
    push_id = session.scalar(
        insert(Push)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["schedule_id", "slot"], index_where=~Push.is_test)
        .returning(Push.id)
    )
    if push_id is None:
        return None
    hits = _take_hits(session, version.schedule_id, push_id, definition.rules) if definition.channels else 0
    status = PushStatus.OPEN if hits else PushStatus.EMPTY
    session.execute(update(Push).where(Push.id == push_id).values(hits=hits, status=status))
    if hits:
        _make_deliveries(session, push_id, definition, slot.planned, at)
    return push_id


def _take_hits(session: Session, schedule_id: int, push_id: int, rules: list[str]) -> int:
    """Add the hits of the rules that are live, not held out and not pushed before. Return their number."""
    pushed = exists().where(PushHit.schedule_id == schedule_id, PushHit.hit_id == Hit.id)
    # The array is complete before the first row is written. Otherwise a plan that was chosen for an empty
    # table and scans it once per hit would scan all rows written so far.
    due = select(func.array_agg(aggregate_order_by(Hit.id, Hit.id))).where(
        Hit.rule_id.in_(select(Rule.id).where(Rule.code.in_(rules))),
        Hit.holdout.is_(False),
        Hit.live,
        ~pushed,
    )
    rows = select(literal(schedule_id), func.unnest(due.scalar_subquery()), literal(push_id))
    columns = ["schedule_id", "hit_id", "push_id"]
    taken = session.execute(
        insert(PushHit).from_select(columns, rows).on_conflict_do_nothing(),
        execution_options={"preserve_rowcount": True},
    )
    return int(taken.rowcount)  # type: ignore[attr-defined]


def _make_deliveries(
    session: Session, push_id: int, definition: ScheduleDef, slot: dt.datetime, at: dt.datetime
) -> None:
    kinds = {each.target: each.kind for each in definition.channels}
    targets.ensure(session, [(kind, code) for code, kind in kinds.items()], SYSTEM)
    for target in session.scalars(select(Target).where(Target.code.in_(kinds)).order_by(Target.id)):
        parts = _parts(session, push_id, _size(target.kind))
        for number, part in enumerate(parts, 1):
            session.add(
                Delivery(
                    uid=new_uid(),
                    idempotency_key=f"{definition.code}/{slot.isoformat()}/{target.code}/{number}",
                    push_id=push_id,
                    target_id=target.id,
                    part=number,
                    parts=len(parts),
                    hits=part.hits,
                    first_hit=part.first,
                    last_hit=part.last,
                    next_at=at,
                )
            )
    session.flush()


def make_of_journey(
    session: Session, version: JourneyVersion, code: str, steps: Sequence[int], at: dt.datetime
) -> None:
    """Create a push that tells a target of customers who came to a step of a journey, and its deliveries.

    ``steps`` are keys; each step names its delivery. A target that is gone is told nothing. Does not commit.
    """
    target = session.scalar(select(Target).where(Target.code == code))
    if target is None or not steps:
        return
    push = Push(
        journey_version_id=version.id,
        slot=at,
        at=at,
        outcome="send",
        hits=len(steps),
        status=PushStatus.OPEN,
        requested_by=SYSTEM,
    )
    session.add(push)
    session.flush()
    size = _size(target.kind) or len(steps)
    parts = [steps[first : first + size] for first in range(0, len(steps), size)]
    for number, part in enumerate(parts, 1):
        delivery = Delivery(
            uid=new_uid(),
            idempotency_key=f"journey/{part[0]}/{target.code}",
            push_id=push.id,
            target_id=target.id,
            part=number,
            parts=len(parts),
            hits=len(part),
            next_at=at,
        )
        session.add(delivery)
        session.flush()
        told = update(JourneyStep).where(JourneyStep.id == func.any(list(part)))
        session.execute(told.values(delivery_id=delivery.id), execution_options=_UNSEEN)


def _size(kind: str) -> int:
    """Return the hits per message of a channel, 0 (all in one message) if the channel no longer exists."""
    try:
        return channel(kind).limits.hits
    except DomainError:
        return 0


def _parts(session: Session, push_id: int, size: int) -> list[_Part]:
    """Divide the hits of a push into messages of at most ``size`` (0: one message)."""
    position = func.row_number().over(order_by=PushHit.hit_id) - 1
    part = (position / size) if size else literal(0)
    numbered = select(PushHit.hit_id, part.label("part")).where(PushHit.push_id == push_id).subquery()
    number = func.floor(numbered.c.part)
    rows = session.execute(
        select(func.min(numbered.c.hit_id), func.max(numbered.c.hit_id), func.count())
        .group_by(number)
        .order_by(number)
    )
    return [_Part(*row) for row in rows]


def settle(session: Session, push_ids: list[int] | None = None) -> None:
    """Close the open pushes (default: all) that have no delivery left to send. Does not commit."""
    live = exists().where(Delivery.push_id == Push.id, Delivery.status.in_(LIVE))
    dead = exists().where(Delivery.push_id == Push.id, Delivery.status == DeliveryStatus.DEAD)
    among = [Push.id.in_(push_ids)] if push_ids is not None else []
    session.execute(
        update(Push)
        .where(Push.status == PushStatus.OPEN, ~live, *among)
        .values(status=case((dead, PushStatus.FAILED), else_=PushStatus.DONE))
        .execution_options(synchronize_session=False)
    )


# -- actions of users on a delivery ---------------------------------------------------------------
def retry_now(session: Session, delivery: Delivery, now: dt.datetime) -> None:
    """Make a waiting delivery due now. Raises DomainError when it is not waiting."""
    _change(session, delivery, (DeliveryStatus.WAITING,), next_at=now)


def replay(session: Session, delivery: Delivery, now: dt.datetime) -> None:
    """Send an ended delivery again with the same id and a full set of attempts.

    The id lets a receiver recognise a message it has accepted. Raises DomainError unless the delivery ended.
    """
    ended = (DeliveryStatus.SENT, DeliveryStatus.DEAD, DeliveryStatus.CANCELLED)
    changes = {"status": DeliveryStatus.WAITING, "attempts": 0, "next_at": now, "done_at": None}
    _change(session, delivery, ended, **changes)
    session.execute(update(Push).where(Push.id == delivery.push_id).values(status=PushStatus.OPEN))


def cancel(session: Session, delivery: Delivery, now: dt.datetime) -> None:
    """Cancel a delivery that is waiting or was given up. Raises DomainError for one in another state."""
    changes = {"status": DeliveryStatus.CANCELLED, "next_at": None, "done_at": now}
    _change(session, delivery, (DeliveryStatus.WAITING, DeliveryStatus.DEAD), **changes)
    settle(session, [delivery.push_id])


def _change(session: Session, delivery: Delivery, only: tuple[DeliveryStatus, ...], **values: object) -> None:
    """Change the row if it is still in one of the states. Raises DomainError otherwise."""
    updated = session.execute(
        update(Delivery)
        .where(Delivery.id == delivery.id, Delivery.status.in_(only), ~Delivery.push.has(Push.is_test))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    session.expire(delivery)
    if updated.rowcount != 1:  # type: ignore[attr-defined]
        raise DomainError("%(delivery)s has changed its state in the meantime.", delivery=str(delivery))
