"""Branches in the configuration file: a tree, parents by code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sqlalchemy import select

from app.access import keys
from app.extensions import db
from app.leads import branches
from app.lib.fields import Name, Word
from app.lib.strict import Strict
from app.models import Branch
from app.rules import lead_filter
from app.rulesfile.kind import Kind

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile


class BranchDef(Strict):
    """A branch; without a parent it is at the top. One that an import created has its name as its code."""

    code: Word
    name: Name
    parent: Word | None = None


def _read() -> list[BranchDef]:
    """Return the branches, each after the one it belongs to, sisters by code."""
    rows = db.session.scalars(select(Branch)).all()
    code = {row.id: row.code for row in rows}
    known = [
        BranchDef(code=row.code, name=row.name, parent=code[row.parent_id] if row.parent_id else None)
        for row in rows
    ]
    return list(_ordered(sorted(known, key=lambda each: each.code)))


def _ordered(items: Iterable[BranchDef]) -> Iterator[BranchDef]:
    left = {item.code: item for item in items}
    below: dict[str | None, list[BranchDef]] = {}
    for item in left.values():
        below.setdefault(item.parent if item.parent in left else None, []).append(item)
    waiting = below.get(None, [])[::-1]
    while waiting:
        yield (item := waiting.pop())
        waiting += below.get(item.code, [])[::-1]


def _problems(config: ConfigFile) -> Iterator[tuple[int, str]]:
    parents = {item.code: item.parent for item in _read()} | {
        item.code: item.parent for item in config.branches
    }
    for number, item in enumerate(config.branches):
        if item.parent is not None and item.parent not in parents:
            yield number, f".parent: {item.parent!r}: unknown branch code"
        elif _is_below_itself(item.code, parents):
            yield number, f".parent: {item.parent!r}: the branch would belong to itself"


def _is_below_itself(code: str, parents: dict[str, str | None]) -> bool:
    above, seen = parents[code], {code}
    while above is not None and above not in seen:
        seen.add(above)
        above = parents.get(above)
    return above == code


def _apply(item: BranchDef, _user: str, overwrite: bool) -> None:
    row = db.session.scalar(select(Branch).where(Branch.code == item.code))
    if row is None:
        row = Branch(code=item.code)
        db.session.add(row)
    elif not overwrite:
        return
    row.name = item.name
    row.parent = db.session.scalar(select(Branch).where(Branch.code == item.parent)) if item.parent else None
    lead_filter.check_change(row)
    limited = keys.limited_systems()
    branches.update_path(row)
    keys.check_limited(limited)


BRANCHES = Kind("branches", read=_read, apply=_apply, problems=_problems, ordered=_ordered)
