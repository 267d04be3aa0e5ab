"""What contacts cost: by the segment or the call, at the prices of the moment each is handed over."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import func, select

from app.extensions import db
from app.models import Outreach, OutreachBatch
from app.outreach import templates
from app.outreach.settings import OutreachSettings


def segments(channel: str, text: str) -> int:
    """As how many SMS a text is charged; a call is one."""
    return templates.length(text).segments if channel == "sms" else 1


def price(settings: OutreachSettings, channel: str) -> Decimal:
    """What one segment or one call costs now, in yuan."""
    return Decimal(str(settings.cost_sms if channel == "sms" else settings.cost_call))


def planned(batch: OutreachBatch) -> Decimal:
    """What the batch was to cost when it was checked, in yuan."""
    return sum((Decimal(each["cost"]) for each in batch.planned.get("texts", {}).values()), Decimal())


def spent(batch_id: int) -> Decimal:
    """What the batch's contacts have cost so far, in yuan; those without a clear answer count."""
    query = select(func.coalesce(func.sum(Outreach.cost), 0)).where(Outreach.batch_id == batch_id)
    return Decimal(db.session.scalar(query) or 0)


def settle(batch: OutreachBatch) -> None:
    """Note on a batch that has ended what it cost. Does not commit."""
    if batch.finished_at is not None:
        batch.spent = spent(batch.id)
