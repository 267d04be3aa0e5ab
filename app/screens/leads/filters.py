"""Filters of the lead list that belong to no column: tag, best grade, segment, quadrant of the matrix."""

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
from app.screens.leads import segment_labels
from app.segments import matrix


class HasTag(ChoiceFilter):
    """Leads with a tag."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The managed list."""
        return [(str(tag.id), tag.name) for tag in tags.all_tags(db.session)]


class BestGrade(ChoiceFilter):
    """Leads whose best hit has a grade."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Grades, and no hit at all."""
        return [*((grade, grade) for grade in GRADES), (NO_HIT, _("No hit"))]


class InSegment(ChoiceFilter):
    """Leads of a segment that the person may use."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Own and shared segments."""
        query = select(Segment).where(visible_to(g.user, Segment)).order_by(Segment.name).limit(200)
        return [(str(segment.id), segment.name) for segment in db.session.scalars(query)]


class InQuadrant(ChoiceFilter):
    """Leads of a quadrant of the value–potential matrix, as its text form says."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The quadrant in words."""
        try:
            return [(value, segment_labels.quadrant(matrix.Quadrant.parse(value)))] if value else []
        except DomainError:
            return []


LEAD_FILTERS: dict[str, type[ChoiceFilter]] = {
    "tag": HasTag,
    "grade": BestGrade,
    "segment": InSegment,
    "matrix": InQuadrant,
}
