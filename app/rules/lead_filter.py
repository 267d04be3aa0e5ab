"""The lead filter of a rule: the leads it matches, and the branches, tags and segments it names."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sqlalchemy import Select, inspect, or_, select

from app.errors import N_, DomainError, FieldError
from app.extensions import db
from app.lib.columns import integers
from app.lib.lazy import lazy
from app.models import Branch, Lead, Product, Rule, RuleVersion, Segment, Tag, VersionStatus
from app.rules.definition import LeadFilterDef
from app.segments import check as filter_check
from app.segments.as_filter import as_filter
from app.segments.definition import SegmentDef, segment_def
from app.segments.evaluation import Evaluation
from app.segments.filter import AllOf, AnyOf, is_about_hits, of_activity
from app.segments.filter import is_dated as is_dated_filter
from app.segments.leads import leads_in
from config import Settings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
else:
    np = lazy("numpy")
    pa = lazy("pyarrow")


Kind = Literal["branches", "tags", "segments"]
#: versions that are evaluated, or will be once approved
_BINDING = (VersionStatus.ACTIVE, VersionStatus.SUBMITTED)


class Unknown(NamedTuple):
    """An unknown entry of a lead filter: the ``name`` at a ``position`` of ``field``, counted from 0."""

    field: Kind
    position: int
    name: str
    why: str


def leads(lead_filter: LeadFilterDef, settings: Settings, day: dt.date) -> pa.Table | None:
    """Return the leads that match the filter as of a date (a column ``lead``), None without a filter.

    Where facts alone decide, deleted leads may be among them; those have no activity. Reads in the session's
    current transaction. Raises DomainError when a name doesn't exist (any more).
    """
    if not lead_filter:
        return None
    found = _by_facts_alone(lead_filter, settings, day)
    return _ids(matching(lead_filter, settings, day)) if found is None else found


def leads_by_day(
    lead_filter: LeadFilterDef, settings: Settings, days: Sequence[dt.date]
) -> Mapping[dt.date, pa.Table] | None:
    """Return ``leads`` of each date. They are read once when the filter asks for attributes alone."""
    if not lead_filter:
        return None
    if is_dated(lead_filter):
        return {day: leads(lead_filter, settings, day) for day in days}
    return dict.fromkeys(days, leads(lead_filter, settings, days[-1]))


def is_dated(lead_filter: LeadFilterDef) -> bool:
    """Return whether the filter, or a segment that it names, admits other leads as of other dates."""
    parts = segments_of(lead_filter)
    filters = [each for each in (lead_filter.filter, *(part.filter for part in parts)) if each]
    return any(part.hits or part.activity for part in parts) or any(map(is_dated_filter, filters))


def reads_hits(lead_filter: LeadFilterDef) -> bool:
    """Return whether the filter, or a segment that it names, asks for hits."""
    parts = segments_of(lead_filter)
    filters = [each for each in (lead_filter.filter, *(part.filter for part in parts)) if each]
    return any(part.hits for part in parts) or any(map(is_about_hits, filters))


def activity_demanded(lead_filter: LeadFilterDef) -> Any:
    """Return what the filter and its segments demand of activity as a filter, None when that is nothing."""
    parts = [lead_filter.filter] if lead_filter.filter else []
    if lead_filter.segments:
        # A segment that admits everybody demands nothing: AllOf of nothing.
        segments = [as_filter(each) or AllOf.model_construct(all=[]) for each in segments_of(lead_filter)]
        parts.append(AnyOf.model_construct(any=segments))
    return of_activity(AllOf.model_construct(all=parts))


def fits(lead_filter: LeadFilterDef, lead_id: int, settings: Settings, day: dt.date) -> bool:
    """Whether a lead matches the filter as of a date. Raises as ``leads`` does."""
    if not lead_filter:
        return True
    query = matching(lead_filter, settings, day).where(Lead.id == lead_id)
    return db.session.scalar(query) is not None


def matching(lead_filter: LeadFilterDef, settings: Settings, day: dt.date) -> Select[int]:
    """Select the ids of the live leads that match: attributes of today, everything else as of a date.

    Raises DomainError when a name doesn't exist (any more).
    """
    check(lead_filter)
    attributes = SegmentDef.model_construct(
        sources=lead_filter.sources,
        statuses=lead_filter.statuses,
        branches=_values(Branch.id, Branch.code, lead_filter.branches),
        tags=_values(Tag.id, Tag.name, lead_filter.tags),
        filter=lead_filter.filter,
    )
    query = leads_in(db.session(), attributes, settings, day, day)
    if lead_filter.segments:
        parts = [leads_in(db.session(), part, settings, day, day) for part in segments_of(lead_filter)]
        query = query.where(or_(*(Lead.id.in_(part) for part in parts)))
    return query


def segments_of(lead_filter: LeadFilterDef) -> list[SegmentDef]:
    """Return the shared segments that the filter names, those that exist."""
    if not lead_filter.segments:
        return []
    stored = select(Segment.definition).where(Segment.shared, Segment.name.in_(lead_filter.segments))
    return [segment_def(definition) for definition in db.session.scalars(stored).all()]


def _by_facts_alone(lead_filter: LeadFilterDef, settings: Settings, day: dt.date) -> pa.Table | None:
    """Return the leads of a filter that consists of tests of facts, without asking the database."""
    if lead_filter.filter is None or LeadFilterDef(filter=lead_filter.filter) != lead_filter:
        return None
    check(lead_filter)
    marks = Evaluation(settings, day, day).marks(lead_filter.filter)
    if marks is None or marks.beyond:
        return None
    return pa.table({"lead": pa.array(np.flatnonzero(marks.bits))})


def check(lead_filter: LeadFilterDef) -> None:
    """Raise DomainError when the filter names something that doesn't exist (any more)."""
    for each in unknown(lead_filter):
        raise DomainError(_GONE[each.field], name=each.name)
    if lead_filter.filter:
        filter_check.check(lead_filter.filter)


def unknown(lead_filter: LeadFilterDef, new: Collection[str] = ()) -> list[Unknown]:
    """Return the entries of a filter that name no branch, tag or shared segment, or several segments.

    ``new`` are the names of shared segments that are about to be made.
    """
    shared = Counter(
        db.session.scalars(select(Segment.name).where(Segment.shared, Segment.name.in_(lead_filter.segments)))
    )
    known = {
        "branches": set(_values(Branch.code, Branch.code, lead_filter.branches)),
        "tags": set(_values(Tag.name, Tag.name, lead_filter.tags)),
        "segments": {*shared, *new},
    }
    words: dict[Kind, str] = {
        "branches": "unknown branch code",
        "tags": "unknown tag",
        "segments": "unknown shared segment",
    }
    missing = [
        Unknown(field, index, name, words[field])
        for field in words
        for index, name in enumerate(getattr(lead_filter, field))
        if name not in known[field]
    ]
    ambiguous = [
        Unknown("segments", index, name, "several shared segments have this name")
        for index, name in enumerate(lead_filter.segments)
        if shared[name] > 1
    ]
    return missing + ambiguous


def used_by(kind: Kind, name: str) -> list[str]:
    """Return the codes of rules whose active or submitted version names it in its filter, and of products."""
    rules = (
        select(Rule.code)
        .join(RuleVersion, RuleVersion.rule_id == Rule.id)
        .where(RuleVersion.status.in_(_BINDING), RuleVersion.lead_filter.contains({kind: [name]}))
        .distinct()
        .order_by(Rule.code)
    )
    products = select(Product.code).where(Product.eligible.contains({kind: [name]})).order_by(Product.code)
    return [*db.session.scalars(rules), *db.session.scalars(products)]


def check_removal(item: Branch | Tag | Segment) -> None:
    """Raise DomainError when a rule's filter names the row about to be deleted."""
    kind, column = _NAMED[type(item)]
    rules = used_by(kind, getattr(item, column)) if getattr(item, "shared", True) else []
    if rules:
        raise DomainError(_IN_USE, name=getattr(item, column), rules=", ".join(rules))


def check_change(item: Branch | Tag | Segment) -> None:
    """Raise FieldError for a pending change that a rule's filter forbids.

    It must not rename or unshare what a filter names, nor give a segment the name of one in a filter.
    """
    kind, column = _NAMED[type(item)]
    name, old = getattr(item, column), _before(item, column)
    was_shared, is_shared = (_before(item, "shared"), item.shared) if kind == "segments" else (True, True)
    if old and was_shared and (old != name or not is_shared) and (rules := used_by(kind, old)):
        field = column if old != name else "shared"
        raise FieldError(field, _IN_USE, name=old, rules=", ".join(rules))
    new_here = is_shared and (old != name or not was_shared)
    if kind == "segments" and new_here and (rules := used_by(kind, name)):
        raise FieldError(
            "name",
            "The lead filter of %(rules)s names the shared segment “%(name)s”; choose another name.",
            name=name,
            rules=", ".join(rules),
        )


_NAMED: dict[type[Any], tuple[Kind, str]] = {
    Branch: ("branches", "code"),
    Tag: ("tags", "name"),
    Segment: ("segments", "name"),
}
_IN_USE = N_("“%(name)s” is part of the lead filter of %(rules)s; change that first.")
_GONE: dict[Kind, str] = {
    "branches": N_("The lead filter names the branch %(name)s, which does not exist."),
    "tags": N_("The lead filter names the tag “%(name)s”, which does not exist."),
    "segments": N_("The lead filter names “%(name)s”, which is not the name of exactly one shared segment."),
}


def _before(item: Any, column: str) -> Any:
    """Return the value of a column before the pending change, None for a new row."""
    state = inspect(item)
    if not state.persistent:
        return None
    gone = state.attrs[column].history.deleted
    return gone[0] if gone else getattr(item, column)


def _values(column: Any, key: Any, keys: Sequence[str]) -> list[Any]:
    return list(db.session.scalars(select(column).where(key.in_(keys)))) if keys else []


def _ids(query: Select[int]) -> pa.Table:
    [ids] = integers(db.session.connection(), query)
    return pa.table({"lead": ids})
