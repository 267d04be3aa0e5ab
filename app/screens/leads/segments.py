"""Segments and the matrix as pages: forms to definitions, and what the pages draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app, g
from flask_babel import gettext as _
from sqlalchemy import and_, func, select

from app.access.scope import branches_visible_to, leads_visible_to
from app.console import filter_row
from app.console.charts import Chart
from app.console.paging import Count
from app.console.urls import list_url
from app.errors import DomainError
from app.extensions import db
from app.hits.filters import NO_HIT
from app.lib.deadline import SECONDS
from app.models import Branch, Lead, Rule, Segment
from app.screens.leads.segment_labels import MEASURE, quadrant
from app.segments import matrix, mix
from app.segments.definition import SegmentDef, segment_def
from app.segments.leads import segment_criterion
from config import Settings

MAX_SOURCES = 100
#: two medians and the quadrants share the deadline
_A_THIRD = SECONDS / 3


def sources() -> list[tuple[str, str]]:
    """The sources that leads have, for a drop-down: a skip scan, because there may be millions of leads."""
    # Only with this condition does the index of live leads serve; without it every step reads the table.
    live = Lead.deleted_at.is_(None)
    lowest = select(func.min(Lead.source).label("source")).where(live, Lead.source > "")
    first = lowest.cte("found", recursive=True)
    following = select(func.min(Lead.source)).where(live, Lead.source > first.c.source).scalar_subquery()
    found = first.union_all(select(following).where(first.c.source.is_not(None)))
    query = select(found.c.source).where(found.c.source.is_not(None)).limit(MAX_SOURCES)
    return [(source, source) for source in db.session.scalars(query)]


def branches() -> list[tuple[str, str]]:
    """The branches that the person sees, as a tree."""
    return filter_row.related_choices(Branch)


def rules() -> list[tuple[str, str]]:
    """The rules by code."""
    query = select(Rule.code, Rule.name).order_by(Rule.code).limit(filter_row.MAX_CHOICES)
    return [(row.code, f"{row.code} {row.name}") for row in db.session.execute(query)]


def of_form(form: Any) -> SegmentDef:
    """The definition that a filled form means. Raises DomainError."""
    asked: dict[str, Any] = {
        "sources": form.sources.data,
        "statuses": form.statuses.data,
        "branches": [int(key) for key in form.branches.data or []],
        "tags": [int(key) for key in form.tags.data or []],
        "opted_out": {"yes": True, "no": False}.get(form.opted_out.data),
        "created_from": form.created_from.data,
        "created_to": form.created_to.data,
    }
    hits = {
        "rules": form.hit_rules.data,
        "grades": form.hit_grades.data,
        "statuses": form.hit_statuses.data,
        "days": form.hit_days.data,
    }
    if form.has_hit.data or any(hits.values()):
        asked["hits"] = _given(hits)
    if form.activity_at_least.data or form.activity_days.data:
        if not (form.activity_at_least.data and form.activity_days.data):
            raise DomainError("Activity needs both a number and the days to look back.")
        asked["activity"] = {
            "metric": form.activity_metric.data,
            "at_least": form.activity_at_least.data,
            "window_days": form.activity_days.data,
        }
    return segment_def(_given(asked))


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def fill_form(form: Any, segment: SegmentDef) -> None:
    """Show a stored definition in the form."""
    form.sources.data, form.statuses.data = segment.sources, segment.statuses
    form.branches.data = [str(key) for key in segment.branches]
    form.tags.data = [str(key) for key in segment.tags]
    form.opted_out.data = {True: "yes", False: "no", None: ""}[segment.opted_out]
    form.created_from.data, form.created_to.data = segment.created_from, segment.created_to
    if segment.hits:
        form.has_hit.data = True
        form.hit_rules.data, form.hit_grades.data = segment.hits.rules, segment.hits.grades
        form.hit_statuses.data, form.hit_days.data = segment.hits.statuses, segment.hits.days
    if segment.activity:
        form.activity_metric.data = segment.activity.metric
        form.activity_at_least.data = segment.activity.at_least
        form.activity_days.data = segment.activity.window_days


def count(definition: SegmentDef) -> Count:
    """How many leads that the person sees are in the segment now: about, where exactly takes too long."""
    leads = and_(leads_visible_to(g.user), segment_criterion(db.session, definition, _settings()))
    number, exact = mix.count(db.session, leads, SECONDS)
    return Count(number) if exact else Count.estimate(number)


def charts(segment: Segment, exactly: bool) -> tuple[Count, list[Chart]]:
    """How many leads the segment has, and pictures of their sources, branches and best grades.

    Estimates from a sample where exact numbers take longer than a person waits, unless ``exactly``.
    """
    leads = and_(
        leads_visible_to(g.user), segment_criterion(db.session, segment_def(segment.definition), _settings())
    )
    found = mix.mix(db.session, leads, None if exactly else SECONDS)
    sources_ = [(key or _("No source"), n, {"source": key}, key) for key, n in found.sources]
    branches_ = [(name or _("No branch"), n, {"branch": key}, key) for key, name, n in found.branches]
    grades_ = [(key or _("No hit"), n, {"grade": key or NO_HIT}, True) for key, n in found.grades]
    drawn = [
        _chart(segment, _("By source"), sources_),
        _chart(segment, _("By branch"), branches_),
        _chart(segment, _("By best grade"), grades_),
    ]
    return Count(found.total) if found.exact else Count.estimate(found.total), drawn


def _chart(segment: Segment, title: str, parts: list[tuple[str, int, dict[str, Any], Any]]) -> Chart:
    """A part without a value of its own opens nothing: no filter finds what is empty."""
    return Chart(
        title=title,
        unit=_("leads"),
        x=[name for name, _n, _more, _key in parts],
        y=[n for _name, n, _more, _key in parts],
        links=[
            list_url("LeadView", segment=segment.id, **more) if key else "" for _name, _n, more, key in parts
        ],
        empty=_("No lead is in this segment now."),
        parts=True,
    )


@dataclass(frozen=True)
class Corner:
    """A quadrant on the page."""

    name: str
    said: str
    count: int
    share: float
    url: str
    strong: bool


def axis(measure: str, threshold: str, exactly: bool) -> matrix.Axis:
    """The axis that the page's form asks for: without a threshold it is the median. Raises DomainError."""
    if measure not in matrix.MEASURES:
        raise DomainError("There is no such measure: %(name)s", name=measure[:40])
    if not threshold.strip():
        scope = leads_visible_to(g.user)
        middle = matrix.median(db.session, measure, _settings(), scope, None if exactly else _A_THIRD)
        return matrix.Axis(measure, middle)
    try:
        return matrix.Axis(measure, float(threshold))
    except ValueError:
        raise DomainError("“%(value)s” is not a number.", value=threshold[:20]) from None


def corners(x: matrix.Axis, y: matrix.Axis, exactly: bool) -> tuple[list[Corner], bool]:
    """The four quadrants as the page shows them: top row first, low to high; and whether they are exact."""
    seconds = None if exactly else _A_THIRD
    counts, exact = matrix.count(db.session, x, y, _settings(), leads_visible_to(g.user), seconds)
    total = sum(counts.values())
    names = {
        (False, True): _("Nurture"),
        (True, True): _("Act first"),
        (False, False): _("Observe"),
        (True, False): _("Keep"),
    }
    drawn = [
        Corner(
            name=name,
            said=quadrant(matrix.Quadrant(x, y, *sides)),
            count=counts[sides],
            share=counts[sides] / total if total else 0,
            url=list_url("LeadView", matrix=matrix.Quadrant(x, y, *sides)),
            strong=all(sides),
        )
        for sides, name in names.items()
    ]
    return drawn, exact


def measures() -> list[tuple[str, str]]:
    """What an axis may be, in words."""
    return [(code, str(MEASURE[code])) for code in matrix.MEASURES]


def usable_branches(definition: SegmentDef) -> SegmentDef:
    """The definition, checked to name only branches that the person sees. Raises DomainError."""
    visible = select(Branch.id).where(Branch.id.in_(definition.branches), branches_visible_to(g.user))
    if set(definition.branches) - set(db.session.scalars(visible)):
        raise DomainError("A segment can only name branches that you see.")
    return definition


def _settings() -> Settings:
    found: Settings = current_app.config["SETTINGS"]
    return found
