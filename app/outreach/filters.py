"""The filters of customers by a batch that contacted them, and of batches by their state."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, select, true

from app.access.scope import batches_visible_to
from app.errors import DomainError
from app.lib.row_id import row_id
from app.models import Customer, Outreach, OutreachBatch, OutreachStatus
from app.outreach import start_time
from app.selection.special import FILTERS


def parse(text: str) -> tuple[int, str]:
    """Return the batch and the status in ``12`` or ``12:delivered``. Raises DomainError for another text."""
    number, _colon, status = text.partition(":")
    key = row_id(number)
    if key is None or (status and status not in tuple(OutreachStatus)):
        raise DomainError("There is no such batch: %(text)s", text=text[:40])
    return key, status


def of_batch(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for customers in a batch that the user may see. Raises DomainError."""
    key, status = parse(text)
    visible = select(OutreachBatch.id).where(OutreachBatch.id == key, batches_visible_to(user))
    with_status = Outreach.status == status if status else true()
    return Customer.id.in_(select(Outreach.lead_id).where(Outreach.batch_id.in_(visible), with_status))


FILTERS[Customer]["batch"] = of_batch
FILTERS[OutreachBatch] = {"status": start_time.in_state}
