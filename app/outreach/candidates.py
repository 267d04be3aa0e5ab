"""Candidates of a batch: the sender, the selected hits, and the numbers of rows by status."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import func, select

from app.access.rights import holds
from app.access.scope import hits_visible_to, visible_to
from app.errors import DomainError
from app.extensions import db
from app.models import (
    Customer,
    Hit,
    Lead,
    Outreach,
    OutreachBatch,
    OutreachStatus,
    OutreachTemplateVersion,
    Staff,
)
from app.selection import Selection

BULK, SINGLE = ("can_contact_many", "HitView"), ("can_contact_one", "HitView")
#: candidates one batch has at most
MOST = 200_000


def check_size(count: int) -> None:
    """Raise DomainError for no candidate or too many."""
    if not count:
        raise DomainError("No hit is selected.")
    if count > MOST:
        raise DomainError(
            "%(n)s contacts are selected; a batch can have at most %(most)s.",
            n=f"{count:,}",
            most=f"{MOST:,}",
        )


def sender_of(batch: OutreachBatch) -> Staff:
    """Return the sender of a batch. Raises DomainError when they may not contact customers (any more)."""
    sender = db.session.get(Staff, batch.created_by_id) if batch.created_by_id else None
    if sender is None or not (holds(sender, *BULK) or (batch.candidates == 1 and holds(sender, *SINGLE))):
        raise DomainError("The creator of this batch is no longer allowed to contact customers.")
    return sender


def selected_hits(batch: OutreachBatch) -> list[tuple[int, str]]:
    """Return the selected hits that the sender sees now, each with the ID hash of its person.

    Raises DomainError as ``sender_of`` and ``check_size`` do.
    """
    sender = sender_of(batch)
    matching = [Hit.id == func.any(batch.selection.get("ids", []))]
    if "customers" in batch.selection:
        customers = Selection.of_json(Customer, batch.selection["customers"], sender)
        visible = visible_to(sender, Customer)
        matching = [Hit.id.in_(select(Customer.hit_id).where(visible, *customers.criteria()))]
    elif "filters" in batch.selection:
        matching = Selection.of_json(Hit, batch.selection["filters"], sender).criteria()
    query = select(Hit.id, Lead.id_hash).join(Lead, Lead.id == Hit.lead_id)
    query = query.where(hits_visible_to(sender), *matching)
    hits = [(hit, id_hash) for hit, id_hash in db.session.execute(query.order_by(Hit.id)).tuples()]
    check_size(len(hits))
    return hits


def ticked(ids: list[int]) -> str:
    """Return how many customers and hits are ticked, in words."""
    customers = db.session.scalar(select(func.count(Hit.lead_id.distinct())).where(Hit.id.in_(ids))) or 0
    return _(
        "Ticked: %(customers)s (%(hits)s)",
        customers=ngettext("%(n)s customer", "%(n)s customers", customers, n=f"{customers:,}"),
        hits=ngettext("%(n)s hit", "%(n)s hits", len(ids), n=f"{len(ids):,}"),
    )


def count_of(rows: Selection) -> int:
    """Return the number of selected hits or customers. Raises DomainError for an invalid filter."""
    return int(rows.query().with_entities(func.count(rows.model.id)).scalar() or 0)


def counts(batch: OutreachBatch) -> dict[str, Any]:
    """Return how many rows of the batch go (or went), and how many are held back, by reason."""
    query = (
        select(Outreach.status, Outreach.reason, func.count())
        .where(Outreach.batch_id == batch.id)
        .group_by(Outreach.status, Outreach.reason)
    )
    go = 0
    held: dict[str, int] = {}
    for status, reason, n in db.session.execute(query).tuples():
        if status in (OutreachStatus.HELD, OutreachStatus.DROPPED):
            held[reason] = held.get(reason, 0) + n
        else:
            go += n
    return {"go": go, "held": held}


def sample_lead(batch: OutreachBatch, version: OutreachTemplateVersion) -> Lead | None:
    """Return the first customer of the batch who gets the text, None when nobody does."""
    goes = Outreach.status.not_in((OutreachStatus.HELD, OutreachStatus.DROPPED))
    query = (
        select(Lead)
        .join(Outreach, Outreach.lead_id == Lead.id)
        .where(Outreach.batch_id == batch.id, Outreach.version_id == version.id, goes)
        .order_by(Outreach.id)
        .limit(1)
    )
    return db.session.scalar(query)


def by_status(batch: OutreachBatch) -> dict[str, int]:
    """Return the number of the batch's rows by status."""
    return by_status_of([batch.id])[batch.id]


def by_status_of(batches: list[int]) -> dict[int, dict[str, int]]:
    """Return the numbers of rows by status of several batches, by their ids."""
    query = (
        select(Outreach.batch_id, Outreach.status, func.count())
        .where(Outreach.batch_id.in_(batches))
        .group_by(Outreach.batch_id, Outreach.status)
    )
    found: dict[int, dict[str, int]] = {batch: {} for batch in batches}
    for batch, status, n in db.session.execute(query).tuples():
        found[batch][status] = n
    return found
