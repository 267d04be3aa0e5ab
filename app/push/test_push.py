"""Test pushes: a marked sample, sent to selected targets at once, that changes no hit."""

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
from app.push.deliver import attempt, close_session
from app.push.message import TEST_HITS, messages_of

#: targets in one test at most
MAX_TARGETS = 20


class SampleResult(NamedTuple):
    """The answer of a target to a test push."""

    target: str
    ok: bool
    http_status: int | None
    answer: Said | None
    duration_ms: int


def send_sample(codes: Sequence[str], username: str, schedule: Schedule | None = None) -> list[SampleResult]:
    """Send a marked sample to the targets with these codes, commit, and return their answers.

    It is sent at once and only once, also during silence and to stopped targets. The push and its answers
    appear in the list of pushes. Raises DomainError for a target that is unknown or not set up yet.
    """
    with Session(db.engine, expire_on_commit=False) as session:
        owner, ids = _create(session, _targets(session, codes), username, schedule)
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        with ThreadPoolExecutor(len(ids)) as pool:
            results = list(pool.map(lambda each: _send(app, each, owner), ids))
        outbox.settle(session)
        session.commit()
    return results


def _targets(session: Session, codes: Sequence[str]) -> list[Target]:
    unique = list(dict.fromkeys(codes))
    if not unique or len(unique) > MAX_TARGETS:
        raise DomainError("Choose from 1 to %(n)s targets to test.", n=MAX_TARGETS)
    targets = {each.code: each for each in session.scalars(select(Target).where(Target.code.in_(unique)))}
    for code in unique:
        if code not in targets:
            raise DomainError("There is no target with the code %(code)s.", code=code)
        try:
            settings_of(targets[code])
        except PermanentError as error:
            raise DomainError(
                "%(target)s is not set up yet: fill in its settings.", target=str(targets[code])
            ) from error
    return [targets[code] for code in unique]


def _create(
    session: Session, targets: list[Target], username: str, schedule: Schedule | None
) -> tuple[str, list[int]]:
    """Create a push with a delivery per target. Return the owner of their leases and their ids.

    The leases keep workers from taking the deliveries.
    """
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
        requested_by=username,
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


def _send(app: Flask, delivery_id: int, owner: str) -> SampleResult:
    with app.app_context():
        delivery = db.session.get_one(Delivery, delivery_id)
        target, message = delivery.target, messages_of(db.session, [delivery])[delivery_id]
        close_session(db.session)
        answer = attempt(delivery, target, message, clock.now(), app.config["SETTINGS"])
        record(db.engine, _without_retry(answer), owner, clock.now())
        return SampleResult(
            str(target), answer.outcome == "ok", answer.http_status, answer.said, answer.duration_ms
        )


def _without_retry(answer: Answer) -> Answer:
    """Return the answer with any failure made permanent, because a test is not tried again."""
    return (
        answer
        if answer.outcome == "ok"
        else Answer(**{**vars(answer), "outcome": "permanent", "gone": False})
    )
