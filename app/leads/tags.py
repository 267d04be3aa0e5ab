"""Tags: the coloured labels of the managed list, put on leads and taken off them by sets."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from app.errors import DomainError
from app.lib.row_id import row_id
from app.models import Lead, LeadTag, Tag

#: the colours a tag may have; the style sheet has each with enough contrast
PALETTE = ("blue", "green", "amber", "red", "purple", "teal", "pink", "grey")
MAX_TAGS = 200


def tag_of(session: Session, key: str) -> Tag:
    """The tag with a typed key. Raises DomainError when there is none."""
    known = row_id(key)
    tag = session.get(Tag, known) if known else None
    if tag is None:
        raise DomainError("Choose a tag.")
    return tag


def put_on(session: Session, leads: Sequence[Lead], tag: Tag) -> int:
    """Put a tag on leads; how many did not have it. The caller commits."""
    rows = [{"lead_id": lead.id, "tag_id": tag.id} for lead in leads]
    added = session.execute(insert(LeadTag).on_conflict_do_nothing().returning(LeadTag.lead_id), rows)
    return len(added.all())


def take_off(session: Session, leads: Sequence[Lead], tag: Tag) -> int:
    """Take a tag off leads; how many had it. The caller commits."""
    keys = [lead.id for lead in leads]
    gone = delete(LeadTag).where(LeadTag.tag_id == tag.id, LeadTag.lead_id.in_(keys))
    return len(session.execute(gone.returning(LeadTag.lead_id)).all())


def all_tags(session: Session) -> list[Tag]:
    """The managed list, by name."""
    return list(session.scalars(select(Tag).order_by(Tag.name).limit(MAX_TAGS)))


def load(session: Session, leads: Sequence[Lead]) -> None:
    """Read the tags of leads in one query, instead of one a lead."""
    found: dict[int, list[Tag]] = {lead.id: [] for lead in leads}
    query = (
        select(LeadTag.lead_id, Tag)
        .join(Tag, Tag.id == LeadTag.tag_id)
        .where(LeadTag.lead_id.in_(found))
        .order_by(Tag.name)
    )
    for lead_id, tag in session.execute(query):
        found[lead_id].append(tag)
    for lead in leads:
        set_committed_value(lead, "tags", found[lead.id])
