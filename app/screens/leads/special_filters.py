"""Filters of the lead list that belong to no column: tag, best grade, segment, matrix quadrant."""

from __future__ import annotations

from flask import g
from flask_babel import gettext as _
from sqlalchemy import select

from app.access.scope import visible_to
from app.console.filters import ChoiceFilter
from app.errors import DomainError
from app.extensions import db
from app.hits.filters import GRADES, NO_HIT
from app.leads import tags
from app.models import Segment
from app.screens.leads import rfm as rfm_page
from app.screens.leads import segment_labels
from app.segments import matrix, rfm


class HasTag(ChoiceFilter):
    """Leads with a tag."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return all tags."""
        return [(str(tag.id), tag.name) for tag in tags.all_tags(db.session)]


class BestGrade(ChoiceFilter):
    """Leads by the grade of their best hit."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the grades and “No hit”."""
        return [*((grade, grade) for grade in GRADES), (NO_HIT, _("No hit"))]


class InSegment(ChoiceFilter):
    """Leads of a segment."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the user's own segments and the shared ones."""
        query = select(Segment).where(visible_to(g.user, Segment)).order_by(Segment.name).limit(200)
        return [(str(segment.id), segment.name) for segment in db.session.scalars(query)]


class InQuadrant(ChoiceFilter):
    """Leads of a quadrant of the value–potential matrix, given in its text form."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the given quadrant as the only choice."""
        try:
            return [(value, segment_labels.quadrant_text(matrix.Quadrant.parse(value)))] if value else []
        except DomainError:
            return []


class InRfmGroup(ChoiceFilter):
    """Leads of an RFM group, given in its text form."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the given group as the only choice."""
        try:
            return [(value, rfm_page.group_text(rfm.Bought.parse(value)))] if value else []
        except DomainError:
            return []


LEAD_FILTERS: dict[str, type[ChoiceFilter]] = {
    "tag": HasTag,
    "grade": BestGrade,
    "segment": InSegment,
    "matrix": InQuadrant,
    "bought": InRfmGroup,
}
