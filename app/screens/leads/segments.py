"""Segments and the matrix on their pages: form values, counts, charts and quadrants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import g
from flask_babel import gettext as _
from sqlalchemy import and_, func, select

from app.access.scope import branches_visible_to, leads_visible_to
from app.console import filter_row
from app.console.charts import Chart
from app.console.paging import Count
from app.console.urls import list_url
from app.errors import DomainError
from app.extensions import db
from app.facts import catalogue, conditions
from app.hits.filters import NO_HIT
from app.lib.deadline import SECONDS
from app.lib.settings import current_settings
from app.models import Branch, Lead, Rule, Segment
from app.rules import conversions
from app.screens.leads import acts, filter_rows
from app.screens.leads.acts import Acts
from app.screens.leads.segment_labels import MEASURE, quadrant_text
from app.segments import matrix, mix
from app.segments.definition import SegmentDef, segment_def
from app.segments.filter import AllOf, AnyOf, NotOf, fact_tests
from app.segments.leads import segment_criterion
from app.segments.sentence import name_of

MAX_SOURCES = 100
#: two medians and the quadrants share the deadline
_A_THIRD = SECONDS / 3


def sources() -> list[tuple[str, str]]:
    """Return the source channels of leads as choices; a skip scan, as there may be millions of leads."""
    # Without this condition the index of live leads is not used, and every step scans the table.
    live = Lead.deleted_at.is_(None)
    lowest = select(func.min(Lead.source).label("source")).where(live, Lead.source > "")
    first = lowest.cte("found", recursive=True)
    following = select(func.min(Lead.source)).where(live, Lead.source > first.c.source).scalar_subquery()
    chain = first.union_all(select(following).where(first.c.source.is_not(None)))
    query = select(chain.c.source).where(chain.c.source.is_not(None)).limit(MAX_SOURCES)
    return [(source, source) for source in db.session.scalars(query)]


def branches() -> list[tuple[str, str]]:
    """Return the branches that the user may see as choices, in tree order."""
    return filter_row.related_choices(Branch)


def rules() -> list[tuple[str, str]]:
    """Return the rules as choices, ordered by name."""
    query = select(Rule.code, Rule.name).order_by(Rule.name, Rule.code).limit(filter_row.MAX_CHOICES)
    return [(row.code, f"{row.name} ({row.code})") for row in db.session.execute(query)]


def read_form(form: Any) -> SegmentDef:
    """Return the definition in a submitted form.

    Raises DomainError when it is invalid.
    """
    values: dict[str, Any] = {
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
        values["hits"] = _without_empty(hits)
    if form.activity_at_least.data or form.activity_days.data:
        if not (form.activity_at_least.data and form.activity_days.data):
            raise DomainError("Activity needs both a number and the days to look back.")
        values["activity"] = {
            "metric": form.activity_metric.data,
            "at_least": form.activity_at_least.data,
            "window_days": form.activity_days.data,
        }
    definition = segment_def(_without_empty(values))
    return definition.model_copy(update={"filter": filter_rows.filter_of(form.tests.data or [])})


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def fill_form(form: Any, segment: SegmentDef) -> None:
    """Fill the form with a stored definition."""
    form.sources.data, form.statuses.data = segment.sources, segment.statuses
    form.branches.data = [str(key) for key in segment.branches]
    form.tags.data = [str(key) for key in segment.tags]
    form.opted_out.data = {True: "yes", False: "no", None: ""}[segment.opted_out]
    form.created_from.data, form.created_to.data = segment.created_from, segment.created_to
    form.tests.data = filter_rows.rows_of(segment.filter)
    if segment.hits:
        form.has_hit.data = True
        form.hit_rules.data, form.hit_grades.data = segment.hits.rules, segment.hits.grades
        form.hit_statuses.data, form.hit_days.data = segment.hits.statuses, segment.hits.days
    if segment.activity:
        form.activity_metric.data = segment.activity.metric
        form.activity_at_least.data = segment.activity.at_least
        form.activity_days.data = segment.activity.window_days


def count(definition: SegmentDef) -> Count:
    """Count the segment's leads in the user's row scope; an estimate where exact counting takes too long."""
    leads = and_(leads_visible_to(g.user), segment_criterion(db.session, definition, current_settings()))
    number, exact = mix.count(db.session, leads, SECONDS)
    return Count(number) if exact else Count.estimate(number)


def count_unknown(definition: SegmentDef) -> Count | None:
    """Count the leads of whom a fact that the tests name isn't known, None when the tests name none."""
    facts = {fact.code: fact for fact in catalogue.definitions().values()}
    codes = dict.fromkeys(test.fact for test in fact_tests(definition.filter)) if definition.filter else {}
    if not codes:
        return None
    known = AllOf(all=[AnyOf(any=[*conditions.both_ways(facts[code])]) for code in codes])
    return count(definition.model_copy(update={"filter": NotOf.model_validate({"not": known})}))


def charts(segment: Segment, exactly: bool) -> tuple[Count, list[Chart]]:
    """Return the number of leads in the segment, and charts of their sources, branches and best grades.

    The numbers are estimated from a sample when exact counting exceeds the deadline, unless ``exactly``.
    """
    leads = and_(
        leads_visible_to(g.user),
        segment_criterion(db.session, segment_def(segment.definition), current_settings()),
    )
    result = mix.mix(db.session, leads, None if exactly else SECONDS)
    sources_ = [(key or _("No source"), n, {"source": key}, key) for key, n in result.sources]
    branches_ = [(name or _("No branch"), n, {"branch": key}, key) for key, name, n in result.branches]
    grades_ = [(key or _("No hit"), n, {"grade": key or NO_HIT}, True) for key, n in result.grades]
    drawn = [
        _chart(segment, _("By source"), sources_),
        _chart(segment, _("By branch"), branches_),
        _chart(segment, _("By best grade"), grades_),
    ]
    return Count(result.total) if result.exact else Count.estimate(result.total), drawn


def _chart(segment: Segment, title: str, parts: list[tuple[str, int, dict[str, Any], Any]]) -> Chart:
    """Return a chart of parts; a part with an empty value has no link, as no filter finds empty values."""
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
class QuadrantCell:
    """A quadrant as the matrix page shows it."""

    name: str
    text: str
    count: int
    share: float
    url: str
    strong: bool
    acts: Acts


def axis(measure: str, threshold: str, exactly: bool) -> matrix.Axis:
    """Return the axis for a measure and threshold, by default the median. Raises DomainError when invalid."""
    if threshold.strip():
        return matrix.Axis(measure, matrix.read_threshold(threshold))
    scope = leads_visible_to(g.user)
    middle = matrix.median(db.session, measure, current_settings(), scope, None if exactly else _A_THIRD)
    return matrix.Axis(measure, middle)


def quadrant_cells(x: matrix.Axis, y: matrix.Axis, exactly: bool) -> tuple[list[QuadrantCell], matrix.Counts]:
    """Return the four quadrants in page order, top left first, and their counts."""
    seconds = None if exactly else _A_THIRD
    counted = matrix.count(db.session, x, y, current_settings(), leads_visible_to(g.user), seconds)
    counts = counted.corners
    total = sum(counts.values())
    names = {
        (False, True): _("Nurture"),
        (True, True): _("Act first"),
        (False, False): _("Observe"),
        (True, False): _("Keep"),
    }
    cells = [
        QuadrantCell(
            name=name,
            text=quadrant_text(matrix.Quadrant(x, y, *sides)),
            count=counts[sides],
            share=counts[sides] / total if total else 0,
            url=list_url("LeadView", matrix=matrix.Quadrant(x, y, *sides)),
            strong=all(sides),
            acts=acts.of("matrix", matrix.Quadrant(x, y, *sides)),
        )
        for sides, name in names.items()
    ]
    return cells, counted


def value_measure() -> str:
    """Return the usual measure of value: money once outcomes are known, hits before."""
    return "value" if conversions.judged_by_outcomes() else "hits"


def measures() -> list[tuple[str, str]]:
    """Return the measures of an axis as choices: facts last."""
    facts = [
        (f"{matrix.FACT}{fact.code}", name_of(fact))
        for fact in catalogue.definitions().values()
        if fact.purpose == "marketing" and fact.kind in matrix.FACT_KINDS
    ]
    return [*((code, str(MEASURE[code])) for code in matrix.MEASURES), *facts]


def usable_branches(definition: SegmentDef) -> SegmentDef:
    """Check that the definition names only branches that the user may see. Raises DomainError."""
    visible = select(Branch.id).where(Branch.id.in_(definition.branches), branches_visible_to(g.user))
    if set(definition.branches) - set(db.session.scalars(visible)):
        raise DomainError("A segment can only include branches that you may see.")
    return definition
