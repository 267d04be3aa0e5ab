"""The candidates of a batch: who contacts them, which hits were chosen, where their rows stand."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from app.access.rights import holds
from app.access.scope import hits_visible_to
from app.errors import DomainError
from app.extensions import db
from app.models import (
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
    """Raises DomainError for none and for too many."""
    if not count:
        raise DomainError("No hit was chosen.")
    if count > MOST:
        raise DomainError(
            "%(n)s hits were chosen; a batch has at most %(most)s.", n=f"{count:,}", most=f"{MOST:,}"
        )


def sender_of(batch: OutreachBatch) -> Staff:
    """Who sends. Raises DomainError when that person may not contact customers (any more)."""
    sender = db.session.get(Staff, batch.created_by_id) if batch.created_by_id else None
    if sender is None or not (holds(sender, *BULK) or (batch.candidates == 1 and holds(sender, *SINGLE))):
        raise DomainError("Whoever made this batch may not contact customers any more.")
    return sender


def chosen(batch: OutreachBatch) -> list[tuple[int, str]]:
    """The hits that were chosen, as the sender sees them now, each with the ID hash of its person.

    Raises DomainError as ``sender_of`` and ``check_size``.
    """
    sender = sender_of(batch)
    matching = [Hit.id == func.any(batch.selection.get("ids", []))]
    if "filters" in batch.selection:
        matching = Selection.of_json(Hit, batch.selection["filters"], sender).criteria()
    query = select(Hit.id, Lead.id_hash).join(Lead, Lead.id == Hit.lead_id)
    query = query.where(hits_visible_to(sender), *matching)
    found = [(hit, person) for hit, person in db.session.execute(query.order_by(Hit.id)).tuples()]
    check_size(len(found))
    return found


def count_of(hits: Selection) -> int:
    """How many hits were selected. Raises DomainError for a filter that means nothing."""
    return int(hits.query().with_entities(func.count(Hit.id)).scalar() or 0)


def counts(batch: OutreachBatch) -> dict[str, Any]:
    """How many rows of the batch go (or went), and how many are held back for which reason."""
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
    """The first customer of the batch who gets the text, None when nobody does."""
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
    """How many rows of the batch stand where."""
    query = (
        select(Outreach.status, func.count()).where(Outreach.batch_id == batch.id).group_by(Outreach.status)
    )
    return dict(db.session.execute(query).tuples().all())
