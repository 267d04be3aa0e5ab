"""Cost of contacts: per SMS segment or call, at the prices in force when each is handed over."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import func, select

from app.extensions import db
from app.models import Outreach, OutreachBatch
from app.outreach import templates
from app.outreach.settings import OutreachSettings


def segments(channel: str, text: str) -> int:
    """Return the number of SMS for which a text is charged, 1 for a call."""
    return templates.length(text).segments if channel == "sms" else 1


def price(settings: OutreachSettings, channel: str) -> Decimal:
    """Return the current price of one segment or call in yuan."""
    return Decimal(str(settings.cost_sms if channel == "sms" else settings.cost_call))


def planned(batch: OutreachBatch) -> Decimal:
    """Return the cost of the batch in yuan as estimated by its check."""
    return sum((Decimal(each["cost"]) for each in batch.planned.get("texts", {}).values()), Decimal())


def spent(batch_id: int) -> Decimal:
    """Return the cost of the batch so far in yuan, including contacts without a clear answer."""
    query = select(func.coalesce(func.sum(Outreach.cost), 0)).where(Outreach.batch_id == batch_id)
    return Decimal(db.session.scalar(query) or 0)


def settle(batch: OutreachBatch) -> None:
    """Store the cost of a batch that has ended. Does not commit."""
    if batch.finished_at is not None:
        batch.spent = spent(batch.id)
