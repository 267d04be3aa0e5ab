"""Pushes and their deliveries as rows: written in one transaction with what caused them."""

from __future__ import annotations

import datetime as dt
import uuid
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
LIVE = (DeliveryStatus.WAITING, DeliveryStatus.SENDING)


class _Part(NamedTuple):
    first: int
    last: int
    hits: int


def new_uid() -> str:
    """The id of a message for its receiver, the same for every attempt."""
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
    """The push of a slot with the hits that the schedule has not pushed before, and its deliveries.

    None when the slot was pushed already. Without a channel the hits stay for a push that has one.
    Doesn't commit.
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
    made = session.scalar(
        insert(Push)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["schedule_id", "slot"], index_where=~Push.is_test)
        .returning(Push.id)
    )
    if made is None:
        return None
    hits = _take_hits(session, version.schedule_id, made, definition.rules) if definition.channels else 0
    status = PushStatus.OPEN if hits else PushStatus.EMPTY
    session.execute(update(Push).where(Push.id == made).values(hits=hits, status=status))
    if hits:
        _make_deliveries(session, made, definition, slot.planned, at)
    return made


def _take_hits(session: Session, schedule_id: int, push_id: int, rules: list[str]) -> int:
    """Note the hits that go with a push: of its rules, of live leads, not held out, not pushed before."""
    pushed = exists().where(PushHit.schedule_id == schedule_id, PushHit.hit_id == Hit.id)
    # One array, read to its end before the first row is written: while the table grows, a plan that looks
    # through an empty table for each hit would look through all that was written so far.
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
    wanted = {each.target: each.kind for each in definition.channels}
    targets.ensure(session, [(kind, code) for code, kind in wanted.items()], SYSTEM)
    for target in session.scalars(select(Target).where(Target.code.in_(wanted)).order_by(Target.id)):
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


def _size(kind: str) -> int:
    """How many hits a message of the channel holds; a channel that is gone takes them in one."""
    try:
        return channel(kind).limits.hits
    except DomainError:
        return 0


def _parts(session: Session, push_id: int, size: int) -> list[_Part]:
    """The hits of a push in messages of at most ``size`` (0: one message)."""
    place = func.row_number().over(order_by=PushHit.hit_id) - 1
    part = (place / size) if size else literal(0)
    numbered = select(PushHit.hit_id, part.label("part")).where(PushHit.push_id == push_id).subquery()
    whole = func.floor(numbered.c.part)
    rows = session.execute(
        select(func.min(numbered.c.hit_id), func.max(numbered.c.hit_id), func.count())
        .group_by(whole)
        .order_by(whole)
    )
    return [_Part(*row) for row in rows]


def settle(session: Session, push_ids: list[int] | None = None) -> None:
    """Close the open pushes (default: all) none of whose deliveries is still to go out. Doesn't commit."""
    live = exists().where(Delivery.push_id == Push.id, Delivery.status.in_(LIVE))
    dead = exists().where(Delivery.push_id == Push.id, Delivery.status == DeliveryStatus.DEAD)
    which = [Push.id.in_(push_ids)] if push_ids is not None else []
    session.execute(
        update(Push)
        .where(Push.status == PushStatus.OPEN, ~live, *which)
        .values(status=case((dead, PushStatus.FAILED), else_=PushStatus.DONE))
        .execution_options(synchronize_session=False)
    )


# -- what people do with a delivery --------------------------------------------------------------
def retry_now(session: Session, delivery: Delivery, now: dt.datetime) -> None:
    """Try a waiting delivery next instead of at its time. Raises DomainError when it doesn't wait."""
    _change(session, delivery, (DeliveryStatus.WAITING,), next_at=now)


def replay(session: Session, delivery: Delivery, now: dt.datetime) -> None:
    """Send an ended delivery again, with the same id, and all its attempts before it.

    A receiver that took it already knows the id. Raises DomainError for one that is not over.
    """
    over = (DeliveryStatus.SENT, DeliveryStatus.DEAD, DeliveryStatus.CANCELLED)
    changes = {"status": DeliveryStatus.WAITING, "attempts": 0, "next_at": now, "done_at": None}
    _change(session, delivery, over, **changes)
    session.execute(update(Push).where(Push.id == delivery.push_id).values(status=PushStatus.OPEN))


def cancel(session: Session, delivery: Delivery, now: dt.datetime) -> None:
    """Never send a delivery that waits or was given up. Raises DomainError for one in another state."""
    changes = {"status": DeliveryStatus.CANCELLED, "next_at": None, "done_at": now}
    _change(session, delivery, (DeliveryStatus.WAITING, DeliveryStatus.DEAD), **changes)
    settle(session, [delivery.push_id])


def _change(session: Session, delivery: Delivery, only: tuple[DeliveryStatus, ...], **values: object) -> None:
    """Change the row if it is still in one of the states, whatever a worker does meanwhile."""
    done = session.execute(
        update(Delivery)
        .where(Delivery.id == delivery.id, Delivery.status.in_(only), ~Delivery.push.has(Push.is_test))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    session.expire(delivery)
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise DomainError("%(delivery)s is in another state by now.", delivery=str(delivery))
