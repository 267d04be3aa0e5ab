"""Tags: coloured labels from a managed list, added to leads and removed from them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from app.errors import DomainError
from app.lib.row_id import row_id
from app.models import Lead, LeadTag, Tag

#: the colours of tags, for which the style sheet ensures contrast
PALETTE = ("blue", "green", "amber", "red", "purple", "teal", "pink", "grey")
MAX_TAGS = 200


def tag_of(session: Session, key: str) -> Tag:
    """Return the tag with a typed key. Raises DomainError when there is none."""
    known = row_id(key)
    tag = session.get(Tag, known) if known else None
    if tag is None:
        raise DomainError("Choose a tag.")
    return tag


def add_tag(session: Session, leads: Sequence[Lead], tag: Tag) -> int:
    """Add a tag to leads without committing. Return the number of leads that did not have it."""
    rows = [{"lead_id": lead.id, "tag_id": tag.id} for lead in leads]
    added = session.execute(insert(LeadTag).on_conflict_do_nothing().returning(LeadTag.lead_id), rows)
    return len(added.all())


def remove_tag(session: Session, leads: Sequence[Lead], tag: Tag) -> int:
    """Remove a tag from leads without committing. Return the number of leads that had it."""
    keys = [lead.id for lead in leads]
    statement = delete(LeadTag).where(LeadTag.tag_id == tag.id, LeadTag.lead_id.in_(keys))
    return len(session.execute(statement.returning(LeadTag.lead_id)).all())


def all_tags(session: Session) -> list[Tag]:
    """Return all tags, ordered by name."""
    return list(session.scalars(select(Tag).order_by(Tag.name).limit(MAX_TAGS)))


def preload_tags(session: Session, leads: Sequence[Lead]) -> None:
    """Load the tags of leads in a single query."""
    tags: dict[int, list[Tag]] = {lead.id: [] for lead in leads}
    query = (
        select(LeadTag.lead_id, Tag)
        .join(Tag, Tag.id == LeadTag.tag_id)
        .where(LeadTag.lead_id.in_(tags))
        .order_by(Tag.name)
    )
    for lead_id, tag in session.execute(query):
        tags[lead_id].append(tag)
    for lead in leads:
        set_committed_value(lead, "tags", tags[lead.id])
