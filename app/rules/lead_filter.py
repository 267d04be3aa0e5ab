"""The lead filter of a rule: the leads it means today, and the branches, tags and segments it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sqlalchemy import Select, inspect, or_, select

from app.errors import N_, DomainError, FieldError
from app.extensions import db
from app.lib.lazy import lazy
from app.models import Branch, Lead, Rule, RuleVersion, Segment, Tag, VersionStatus
from app.rules.definition import LeadFilterDef
from app.segments.definition import SegmentDef, segment_def
from app.segments.leads import leads_in
from config import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv
else:
    pa = lazy("pyarrow")
    csv = lazy("pyarrow.csv")


Kind = Literal["branches", "tags", "segments"]
#: versions that are evaluated, or may be as soon as a second person says so
_BINDING = (VersionStatus.ACTIVE, VersionStatus.SUBMITTED)


class Unknown(NamedTuple):
    """An entry of a lead filter that means nothing: entry ``position`` of ``field``, from 0, is ``name``."""

    field: Kind
    position: int
    name: str
    why: str


def leads(wanted: LeadFilterDef, settings: Settings) -> pa.Table | None:
    """The live leads that fit the filter as they are today, as a column ``lead``; None when none is given.

    Read in the session's present transaction. Raises DomainError when a name is not there (any more).
    """
    return _ids(matching(wanted, settings)) if wanted else None


def fits(wanted: LeadFilterDef, lead_id: int, settings: Settings) -> bool:
    """Whether one lead fits the filter today. Raises as ``leads``."""
    if not wanted:
        return True
    found = matching(wanted, settings).where(Lead.id == lead_id)
    return db.session.scalar(found) is not None


def matching(wanted: LeadFilterDef, settings: Settings) -> Select[int]:
    """The ids of the live leads that fit, as a query for the session's present transaction.

    Raises DomainError when a name is not there (any more).
    """
    check(wanted)
    attributes = SegmentDef.model_construct(
        sources=wanted.sources,
        statuses=wanted.statuses,
        branches=_values(Branch.id, Branch.code, wanted.branches),
        tags=_values(Tag.id, Tag.name, wanted.tags),
    )
    query = leads_in(db.session(), attributes, settings)
    if wanted.segments:
        meant = select(Segment.definition).where(Segment.shared, Segment.name.in_(wanted.segments))
        parts = [
            leads_in(db.session(), segment_def(stored), settings)
            for stored in db.session.scalars(meant).all()
        ]
        query = query.where(or_(*(Lead.id.in_(part) for part in parts)))
    return query


def check(wanted: LeadFilterDef) -> None:
    """Raise DomainError when the filter names what is not there (any more)."""
    for each in unknown(wanted):
        raise DomainError(_GONE[each.field], name=each.name)


def unknown(wanted: LeadFilterDef) -> list[Unknown]:
    """The entries of a filter that name no branch, tag or shared segment, or more than one segment."""
    shared = Counter(
        db.session.scalars(select(Segment.name).where(Segment.shared, Segment.name.in_(wanted.segments)))
    )
    known = {
        "branches": set(_values(Branch.code, Branch.code, wanted.branches)),
        "tags": set(_values(Tag.name, Tag.name, wanted.tags)),
        "segments": set(shared),
    }
    words: dict[Kind, str] = {
        "branches": "unknown branch code",
        "tags": "unknown tag",
        "segments": "unknown shared segment",
    }
    found = [
        Unknown(field, index, name, words[field])
        for field in words
        for index, name in enumerate(getattr(wanted, field))
        if name not in known[field]
    ]
    twice = [
        Unknown("segments", index, name, "several shared segments have this name")
        for index, name in enumerate(wanted.segments)
        if shared[name] > 1
    ]
    return found + twice


def used_by(kind: Kind, name: str) -> list[str]:
    """The codes of the rules whose version in force, or waiting for approval, names it in its filter."""
    query = (
        select(Rule.code)
        .join(RuleVersion, RuleVersion.rule_id == Rule.id)
        .where(RuleVersion.status.in_(_BINDING), RuleVersion.lead_filter.contains({kind: [name]}))
        .distinct()
        .order_by(Rule.code)
    )
    return list(db.session.scalars(query))


def check_removal(item: Branch | Tag | Segment) -> None:
    """Raise DomainError when a rule needs what is about to be deleted."""
    kind, column = _NAMED[type(item)]
    rules = used_by(kind, getattr(item, column)) if getattr(item, "shared", True) else []
    if rules:
        raise DomainError(_IN_USE, name=getattr(item, column), rules=", ".join(rules))


def check_change(item: Branch | Tag | Segment) -> None:
    """Raise FieldError when the pending change renames or hides what a rule needs, or doubles its name."""
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
_IN_USE = N_("“%(name)s” is part of the lead filter of %(rules)s; change the rule first.")
_GONE: dict[Kind, str] = {
    "branches": N_("The lead filter names the branch %(name)s, which is not there."),
    "tags": N_("The lead filter names the tag “%(name)s”, which is not there."),
    "segments": N_("The lead filter names “%(name)s”, which is no shared segment or several."),
}


def _before(item: Any, column: str) -> Any:
    """The value of a column before the pending change; None for a new row."""
    state = inspect(item)
    if not state.persistent:
        return None
    gone = state.attrs[column].history.deleted
    return gone[0] if gone else getattr(item, column)


def _values(column: Any, key: Any, wanted: Sequence[str]) -> list[Any]:
    return list(db.session.scalars(select(column).where(key.in_(wanted)))) if wanted else []


def _ids(query: Select[int]) -> pa.Table:
    """The ids as Arrow, by COPY: a row at a time in Python would take a minute for a long list."""
    connection = db.session.connection()
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    raw: Any = connection.connection.driver_connection
    with (
        raw.cursor() as cursor,
        cursor.copy(f"COPY ({compiled}) TO STDOUT", compiled.params) as copy,
    ):
        text = b"".join(copy)
    if not text:  # pyarrow refuses an empty file
        return pa.table({"lead": pa.array([], pa.int64())})
    return csv.read_csv(
        pa.BufferReader(text),
        read_options=csv.ReadOptions(column_names=["lead"]),
        convert_options=csv.ConvertOptions(column_types={"lead": pa.int64()}),
    )
