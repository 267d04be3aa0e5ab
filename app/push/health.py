"""Health of targets: how long one has been failing, and stopping it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.channels.targets import stop
from app.errors import Said
from app.models import StopReason, Target, TargetStatus
from app.push.attempts import Answer
from config import Settings


def update_targets(session: Session, answers: Sequence[Answer], now: dt.datetime, config: Settings) -> None:
    """Update the targets of the answers, and stop those that are gone or have failed for too long.

    Does not commit.
    """
    for target_id in sorted({answer.target_id for answer in answers}):
        target = session.scalar(
            select(Target)
            .where(Target.id == target_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if target is not None:
            _update(session, target, [each for each in answers if each.target_id == target_id], now, config)


def _update(
    session: Session, target: Target, answers: list[Answer], now: dt.datetime, config: Settings
) -> None:
    failed = [answer for answer in answers if answer.outcome != "ok"]
    if any(answer.outcome == "ok" for answer in answers):
        target.last_ok_at, target.failing_since = now, None
    elif target.failing_since is None or target.failing_since > now:
        target.failing_since = now
    if failed:
        target.last_error = failed[-1].said or Said.as_is(f"HTTP {failed[-1].http_status}")
    long_ago = now - dt.timedelta(days=config.target_stop_days)
    gone = any(answer.gone for answer in failed)
    failing = target.failing_since is not None and target.failing_since <= long_ago
    if target.status == TargetStatus.ACTIVE and (gone or failing):
        stop(target, StopReason.GONE if gone else StopReason.FAILING)
