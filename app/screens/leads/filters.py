"""Filters of the lead list that belong to no column: tag, best grade, segment, quadrant of the matrix."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import abort, current_app, g
from flask_appbuilder.models.filters import BaseFilter
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import exists, select

from app.access.scope import visible_to
from app.errors import DomainError
from app.extensions import db
from app.leads import tags
from app.models import Hit, Lead, LeadTag, Segment
from app.screens.leads import segment_labels
from app.segments import matrix
from app.segments.definition import segment_def
from app.segments.leads import meant

GRADES = ("A", "B", "C", "D")
#: the choice of leads without any hit
NO_HIT = "none"


class ChoiceFilter(BaseFilter):  # type: ignore[misc]
    """A filter that belongs to no column; a ``hidden`` one has a chip but no control."""

    name = lazy_gettext("is")
    hidden: ClassVar[bool] = False

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """What can be chosen, with words; of a hidden filter only what is chosen now."""
        raise NotImplementedError

    def apply(self, query: Any, value: Any) -> Any:
        """Narrow the query; an empty value means no filter, one that means nothing is refused."""
        text = str(value).strip()
        if not text:
            return query
        try:
            return self.narrowed(query, text)
        except DomainError as error:
            abort(400, description=error.text())

    def narrowed(self, query: Any, text: str) -> Any:
        """The query with the filter. Raises DomainError for a value that means nothing."""
        raise NotImplementedError


class HasTag(ChoiceFilter):
    """Leads with a tag."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The managed list."""
        return [(str(tag.id), tag.name) for tag in tags.all_tags(db.session)]

    def narrowed(self, query: Any, text: str) -> Any:
        """Leads that have it."""
        tag = tags.tag_of(db.session, text)
        return query.filter(Lead.id.in_(select(LeadTag.lead_id).where(LeadTag.tag_id == tag.id)))


class BestGrade(ChoiceFilter):
    """Leads whose best hit has a grade."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Grades, and no hit at all."""
        return [*((grade, grade) for grade in GRADES), (NO_HIT, _("No hit"))]

    def narrowed(self, query: Any, text: str) -> Any:
        """Leads with a hit of the grade and none of a better one."""
        if text != NO_HIT and text not in GRADES:
            raise DomainError("There is no such grade: %(grade)s", grade=text[:20])
        own = exists().where(Hit.lead_id == Lead.id)
        if text == NO_HIT:
            return query.filter(~own)
        return query.filter(own.where(Hit.grade == text), ~own.where(Hit.grade < text))


class InSegment(ChoiceFilter):
    """Leads of a segment that the person may use."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Own and shared segments."""
        query = select(Segment).where(visible_to(g.user, Segment)).order_by(Segment.name).limit(200)
        return [(str(segment.id), segment.name) for segment in db.session.scalars(query)]

    def narrowed(self, query: Any, text: str) -> Any:
        """Leads that it means now."""
        key = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        segment = db.session.scalar(select(Segment).where(Segment.id == key, visible_to(g.user, Segment)))
        if segment is None:
            raise DomainError("There is no such segment, or it is not shared with you.")
        return query.filter(
            meant(db.session, segment_def(segment.definition), current_app.config["SETTINGS"])
        )


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

    def narrowed(self, query: Any, text: str) -> Any:
        """Leads that lie in it now."""
        found = matrix.leads_of(db.session, matrix.Quadrant.parse(text), current_app.config["SETTINGS"])
        return query.filter(Lead.id.in_(found))


#: name in ``_flt_0_<name>`` → filter
LEAD_FILTERS: dict[str, type[ChoiceFilter]] = {
    "tag": HasTag,
    "grade": BestGrade,
    "segment": InSegment,
    "matrix": InQuadrant,
}
