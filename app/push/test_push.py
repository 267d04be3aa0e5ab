"""Test pushes: a marked sample to chosen targets, at once, that touches no hit."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from flask import Flask, current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.channels.base import PermanentError
from app.channels.targets import settings_of
from app.errors import DomainError, Said
from app.extensions import db
from app.lib import clock
from app.models import Delivery, DeliveryStatus, Push, PushStatus, Schedule, Target
from app.push import outbox
from app.push.attempts import Answer, record
from app.push.deliver import attempt, let_go
from app.push.message import TEST_HITS, messages_of

#: More targets than this are nobody's test.
MAX_TARGETS = 20


class Tried(NamedTuple):
    """What a target answered to a test."""

    target: str
    ok: bool
    http_status: int | None
    answer: Said | None
    duration_ms: int


def send_sample(codes: Sequence[str], by: str, schedule: Schedule | None = None) -> list[Tried]:
    """Send a marked sample to the targets with these codes and wait for their answers. Commits.

    It goes out at once, in silence too and to stopped targets as well, and is tried once. The push and its
    answers stand in the list of pushes. Raises DomainError for a target that is unknown or not set up yet.
    """
    with Session(db.engine, expire_on_commit=False) as session:
        owner, ids = _make(session, _targets(session, codes), by, schedule)
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        with ThreadPoolExecutor(len(ids)) as pool:
            tried = list(pool.map(lambda each: _try(app, each, owner), ids))
        outbox.settle(session)
        session.commit()
    return tried


def _targets(session: Session, codes: Sequence[str]) -> list[Target]:
    wanted = list(dict.fromkeys(codes))
    if not wanted or len(wanted) > MAX_TARGETS:
        raise DomainError("Choose from 1 to %(n)s targets to test.", n=MAX_TARGETS)
    found = {each.code: each for each in session.scalars(select(Target).where(Target.code.in_(wanted)))}
    for code in wanted:
        if code not in found:
            raise DomainError("There is no target with the code %(code)s.", code=code)
        try:
            settings_of(found[code])
        except PermanentError as error:
            raise DomainError(
                "%(target)s is not set up yet: fill in its settings.", target=str(found[code])
            ) from error
    return [found[code] for code in wanted]


def _make(
    session: Session, targets: list[Target], by: str, schedule: Schedule | None
) -> tuple[str, list[int]]:
    """A push of its own with a delivery for each target, leased by us so that no worker takes it."""
    now, uid = clock.now(), outbox.new_uid()
    push = Push(
        schedule_id=schedule.id if schedule else None,
        version_id=schedule.active_version_id if schedule else None,
        slot=now,
        at=now,
        outcome="send",
        hits=TEST_HITS,
        status=PushStatus.OPEN,
        is_test=True,
        requested_by=by,
    )
    session.add(push)
    session.flush()
    deliveries = [
        Delivery(
            uid=outbox.new_uid(),
            idempotency_key=f"test/{uid}/{target.code}",
            push_id=push.id,
            target_id=target.id,
            hits=TEST_HITS,
            status=DeliveryStatus.SENDING,
            lease_owner=uid,
            lease_until=outbox.DELIVERIES.lease_end(),
        )
        for target in targets
    ]
    session.add_all(deliveries)
    session.flush()
    ids = [delivery.id for delivery in deliveries]
    session.commit()
    return uid, ids


def _try(app: Flask, delivery_id: int, owner: str) -> Tried:
    with app.app_context():
        delivery = db.session.get_one(Delivery, delivery_id)
        target, message = delivery.target, messages_of(db.session, [delivery])[delivery_id]
        let_go(db.session)
        answer = attempt(delivery, target, message, clock.now(), app.config["SETTINGS"])
        record(db.engine, _once(answer), owner, clock.now())
        return Tried(str(target), answer.outcome == "ok", answer.http_status, answer.said, answer.duration_ms)


def _once(answer: Answer) -> Answer:
    """A test is not tried again: what did not work is over."""
    return (
        answer
        if answer.outcome == "ok"
        else Answer(**{**vars(answer), "outcome": "permanent", "gone": False})
    )
