"""Pushes of the small bank: a push under way, its deliveries in every state, targets, reminders."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy.orm import Session

from app.errors import Said
from app.lib.pointers import to_rows
from app.models import (
    Delivery,
    DeliveryAttempt,
    Hit,
    Mail,
    Push,
    PushHit,
    Reminder,
    Schedule,
    ScheduleVersion,
    Target,
)

AT = dt.datetime(2026, 10, 26, 1, tzinfo=dt.UTC)
SPEC = {
    "code": "S-PUSH",
    "name": "每日推送",
    "rules": ["R-1"],
    "preset": "daily",
    "channels": [{"kind": "webhook", "target": "crm"}],
}


def pushes(session: Session, hit: Hit) -> dict[str, Any]:
    """Rows by name; the hit went with the push."""
    schedule = Schedule(code="S-PUSH", name="每日推送", status="active")
    version = ScheduleVersion(schedule=schedule, number=1, status="active", spec=SPEC, created_by="x")
    crm = Target(
        kind="webhook",
        code="crm",
        name="客户系统",
        created_by="x",
        settings={"url": "https://crm.example.com/hooks"},
        status="active",
        failing_since=AT,
        last_error=Said.as_is("HTTP 503"),
    )
    stopped = Target(
        kind="file", code="drop", name="drop", created_by="x", settings={"folder": ""}, status="stopped"
    )
    stopped.stop_reason = "by_hand"
    session.add_all([version, crm, stopped])
    session.flush()
    schedule.active_version_id = version.id
    push = Push(schedule=schedule, version=version, slot=AT, at=AT, outcome="send", why="on time", hits=1)
    session.add(push)
    session.flush()
    session.add(PushHit(schedule_id=schedule.id, hit_id=hit.id, push_id=push.id))
    waiting, dead, sent = (_delivery(push, crm, hit, status) for status in ("waiting", "dead", "sent"))
    waiting.next_at, waiting.attempts = AT, 2
    session.add_all([waiting, dead, sent])
    session.flush()
    attempt = DeliveryAttempt(
        delivery_id=dead.id,
        tried_at=AT,
        outcome="permanent",
        http_status=503,
        answer=Said.as_is("busy"),
        duration_ms=12,
    )
    session.add(attempt)
    return {
        "push_schedule": schedule,
        "push_version": version,
        "target": crm,
        "stopped_target": stopped,
        "push": push,
        "delivery": waiting,
        "dead_delivery": dead,
        "attempt": attempt,
    }


def _delivery(push: Push, target: Target, hit: Hit, status: str) -> Delivery:
    return Delivery(
        uid=f"msg_{status}",
        idempotency_key=status,
        push=push,
        target=target,
        hits=1,
        first_hit=hit.id,
        last_hit=hit.id,
        status=status,
        answer=None if status == "waiting" else Said.as_is("busy"),
    )


def failed_mail(session: Session, person_id: int) -> Mail:
    """A mail of reminders that was given up."""
    made = Mail(
        kind="reminders",
        person_id=person_id,
        status="failed",
        reminders=2,
        attempts=6,
        next_at=AT,
        done_at=AT,
        answer=Said("the mail server refused: %(code)s", {"code": 451}),
    )
    session.add(made)
    session.flush()
    return made


def reminder_for(session: Session, person_id: int) -> int:
    """A reminder that the person has not read; its id."""
    made = Reminder(
        person_id=person_id,
        source="msg_1",
        kind="hits",
        message="%(schedule)s: %(n)s new high-potential leads",
        values={"schedule": "每日推送", "n": 3},
        opens=to_rows("hit"),
    )
    session.add(made)
    session.commit()
    return made.id
