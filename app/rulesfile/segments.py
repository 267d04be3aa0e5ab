"""Shared segments in the configuration file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from sqlalchemy import select

from app.extensions import db
from app.lib.strict import Code, Strict
from app.models import Segment
from app.rules import lead_filter
from app.rulesfile.kind import Kind
from app.segments import check
from app.segments.as_filter import as_filter, as_segment
from app.segments.definition import segment_def
from app.segments.filter import WholeFilter

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile


class NamedSegmentDef(Strict):
    """A shared segment; without a filter it has all leads."""

    code: Code
    name: Annotated[str, Field(min_length=1, max_length=64)]
    filter: WholeFilter | None = None


def named_in(config: ConfigFile) -> check.Known:
    """Return what a file defines and its filters may name."""
    facts = {fact.code: fact for fact in config.facts}
    branches = {branch.code for branch in config.branches}
    tags = {name for tag in config.tags for name in (tag.code, tag.name)}
    return check.Known(facts, branches, tags, {product.code for product in config.products})


def _read() -> list[NamedSegmentDef]:
    rows = db.session.scalars(select(Segment).where(Segment.shared).order_by(Segment.id))
    return [_item(row) for row in rows]


def _item(row: Segment) -> NamedSegmentDef:
    stored = as_filter(segment_def(row.definition))
    return NamedSegmentDef(code=row.code, name=row.name, filter=stored)


def _problems(config: ConfigFile) -> Iterator[tuple[int, str]]:
    known = check.read_known().extended(named_in(config))
    here = {item.code for item in config.segments}
    names = Counter(item.name for item in [*config.segments, *(i for i in _read() if i.code not in here)])
    for number, item in enumerate(config.segments):
        for problem in check.problems(item.filter, known):
            yield number, f".filter: {problem}"
        if names[item.name] > 1:
            yield number, f".name: {item.name!r}: several shared segments would have this name"


def _apply(item: NamedSegmentDef, user: str, overwrite: bool) -> None:
    row = db.session.scalar(select(Segment).where(Segment.code == item.code))
    if row is not None and (not overwrite or _item(row) == item):
        return
    definition = as_segment(item.filter).as_json()
    if row is None:
        row = Segment(code=item.code, name=item.name, owner=user, definition=definition, shared=True)
        db.session.add(row)
    else:
        row.name, row.definition, row.shared = item.name, definition, True
    lead_filter.check_change(row)
    db.session.flush()


def _as_yaml(item: NamedSegmentDef) -> dict[str, Any]:
    return item.model_dump(mode="json", by_alias=True, exclude_defaults=True)


SEGMENTS = Kind("segments", read=_read, apply=_apply, problems=_problems, as_yaml=_as_yaml)
