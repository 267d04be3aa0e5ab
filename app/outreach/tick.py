"""The ticker's step for outreach."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select

from app.extensions import db
from app.jobs.nudges import nudge, nudge_once
from app.models import OutreachBatch, OutreachBatchStatus
from app.outreach import results, sending


def tick(now: dt.datetime) -> None:
    """Nudge a worker for batches to check or to send, and record the sandbox's outcomes that are due."""
    waiting = select(OutreachBatch.id).where(OutreachBatch.status == OutreachBatchStatus.CHECKING)
    for batch_id in db.session.scalars(waiting.order_by(OutreachBatch.id)).all():
        nudge("outreach", "app.jobs.outreach.prepare", batch_id)
    if sending.due(now):
        nudge_once("outreach", "app.jobs.outreach.run")
    results.record_sandbox_outcomes(now)
