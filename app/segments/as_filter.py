"""Segments of the screens' fields as filters in the language of filters, and back."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select

from app.extensions import db
from app.models import Branch, Tag
from app.segments.definition import ActivityFilter, SegmentDef
from app.segments.filter import (
    AllOf,
    AttributeTest,
    CreatedTest,
    HitTest,
    MetricTest,
    OptedOutTest,
    WholeFilter,
)

_FILTER: TypeAdapter[Any] = TypeAdapter(WholeFilter)


def as_filter(segment: SegmentDef) -> Any:
    """Return the filter that admits the same leads; None for one that admits all.

    Branches and tags that are gone are named by their numbers.
    """
    tests = [*_attributes(segment)]
    if segment.opted_out is not None:
        tests.append({"opted_out": segment.opted_out})
    if segment.created_from or segment.created_to:
        tests.append({"created": {"from": segment.created_from, "to": segment.created_to}})
    if segment.hits:
        tests.append({"hits": segment.hits.model_dump()})
    if given := segment.activity:
        active = {"op": ">=", "value": given.at_least, "window_days": given.window_days}
        tests.append({"metric": given.metric, **active})
    parts = [_FILTER.validate_python(test) for test in tests]
    if segment.filter:
        parts += segment.filter.all if parts and isinstance(segment.filter, AllOf) else [segment.filter]
    return parts[0] if len(parts) == 1 else AllOf(all=parts) if parts else None


def _attributes(segment: SegmentDef) -> list[dict[str, Any]]:
    named = {
        "source": segment.sources,
        "status": segment.statuses,
        "branch": _codes(Branch, segment.branches),
        "tag": _codes(Tag, segment.tags),
    }
    return [{"attribute": name, "in": values} for name, values in named.items() if values]


def _codes(model: Any, ids: list[int]) -> list[str]:
    if not ids:
        return []
    known = dict(db.session.execute(select(model.id, model.code).where(model.id.in_(ids))).tuples().all())
    return [known.get(each, f"#{each}") for each in ids]


def as_segment(whole: Any) -> SegmentDef:
    """Return a segment that shows as much of a filter as possible in the screens' fields."""
    if whole is None:
        return SegmentDef()
    fields: dict[str, Any] = {}
    rest = []
    for part in whole.all if isinstance(whole, AllOf) else [whole]:
        field = _field(part)
        if field and not fields.keys() & field.keys():
            fields |= field
        else:
            rest.append(part)
    if rest:
        fields["filter"] = rest[0] if len(rest) == 1 else AllOf(all=rest)
    segment = SegmentDef(**fields)
    return segment if as_filter(segment) == whole else SegmentDef(filter=whole)


def _field(part: Any) -> dict[str, Any] | None:
    """Return the fields that mean the same as a test, None when there are none."""
    match part:
        case AttributeTest(attribute="source", in_=values):
            return {"sources": values}
        case AttributeTest(attribute="status", in_=values):
            return {"statuses": values}
        case AttributeTest(attribute="branch", in_=values):
            return {"branches": _ids(Branch, values)}
        case AttributeTest(attribute="tag", in_=values):
            return {"tags": _ids(Tag, values)}
        case OptedOutTest(opted_out=opted_out):
            return {"opted_out": opted_out}
        case CreatedTest(created=period):
            return {"created_from": period.from_, "created_to": period.to}
        case HitTest(hits=hits):
            return {"hits": hits}
        case MetricTest(metric=metric, op=">=", value=value, window_days=days) if value and days:
            return {"activity": ActivityFilter(metric=metric, at_least=value, window_days=days)}
    return None


def _ids(model: Any, codes: list[str]) -> list[int]:
    known = dict(db.session.execute(select(model.code, model.id).where(model.code.in_(codes))).tuples().all())
    return [known[each] for each in codes if each in known]
