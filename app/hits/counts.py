"""Precomputed counts of hits: exact at any moment, maintained by triggers and folded by the ticker.

A count is the sum of HitCount (by date) or HitTotal (all dates) and the HitDelta rows since the last fold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, text, true

from app.access.scope import branches_visible_to, within_branches
from app.extensions import db
from app.hits.sql import SQL
from app.jobs.locks import Lock, try_lock
from app.models import Branch, Hit, HitCount, HitDelta, HitStatus, HitTotal

#: the ``branch`` of hits whose lead has none
NO_BRANCH = "-"
#: columns by which hits can be counted without a date
KEYS = ("rule_id", "grade", "source", "branch_id", "status", "converted")
DATES = ("hit_date", "made_on")


@dataclass(frozen=True)
class HitFilter:
    """The hits to count: those in the user's row scope that meet every filter that is given.

    ``branch`` is the path of a branch and includes the branches below it. Dates are local, both included.
    """

    user: Any
    rule: int | None = None
    grade: str | None = None
    source: str | None = None
    branch: str | None = None
    status: str | None = None
    first: dt.date | None = None
    last: dt.date | None = None
    made_on: dt.date | None = None
    made_since: dt.date | None = None

    @property
    def dated(self) -> bool:
        """Whether any filter is on a date."""
        return (self.first, self.last, self.made_on, self.made_since) != (None,) * 4

    def but(self, **changed: Any) -> HitFilter:
        """Return a copy with some filters changed."""
        return replace(self, **changed)

    def criterion(self, table: Any) -> ColumnElement[bool]:
        """Return the filters as a criterion on Hit or on one of the tables of counts."""
        equal = {"rule_id": self.rule, "grade": self.grade, "source": self.source, "status": self.status}
        criteria = [getattr(table, name) == value for name, value in equal.items() if value is not None]
        if self.branch == NO_BRANCH:
            criteria.append(table.branch_id == 0)
        elif self.branch is not None:
            below = select(Branch.id).where(
                Branch.path.startswith(self.branch, autoescape=True), branches_visible_to(self.user)
            )
            criteria.append(table.branch_id.in_(below))
        criteria.append(within_branches(table.branch_id, self.user))
        if self.first is not None:
            criteria.append(table.hit_date >= self.first)
        if self.last is not None:
            criteria.append(table.hit_date <= self.last)
        if self.made_on is not None:
            criteria.append(table.made_on == self.made_on)
        if self.made_since is not None:
            criteria.append(table.made_on >= self.made_since)
        return and_(true(), *criteria)


def count(hits: HitFilter, by: Sequence[str] = ()) -> dict[tuple[Any, ...], int]:
    """Return the number of live hits for each combination of the columns ``by`` that has any.

    Without ``by`` there is one entry, for the empty combination, when there is any hit.
    """
    dated = hits.dated or any(name in DATES for name in by)
    folded: Any = HitCount if dated else HitTotal
    parts = [
        select(*(getattr(table, name).label(name) for name in by), table.n.label("n")).where(
            hits.criterion(table)
        )
        for table in (folded, HitDelta)
    ]
    cells = parts[0].union_all(parts[1]).subquery()
    keys = [cells.c[name] for name in by]
    total = func.coalesce(func.sum(cells.c.n), 0)
    query = select(*keys, total).group_by(*keys).having(total != 0)
    return {tuple(row[:-1]): int(row[-1]) for row in db.session.execute(query)}


def live(hits: HitFilter, by: Sequence[str] = ()) -> dict[tuple[Any, ...], int]:
    """Count as ``count`` does, but from the hits themselves. Slow; meant for checks."""
    keys = [getattr(Hit, name) for name in by]
    query = select(*keys, func.count()).where(Hit.live, hits.criterion(Hit)).group_by(*keys)
    return {tuple(row[:-1]): int(row[-1]) for row in db.session.execute(query) if row[-1]}


def total(hits: HitFilter) -> int:
    """Return the number of live hits."""
    return count(hits).get((), 0)


def contacted(by_status: dict[str, int]) -> int:
    """Return how many of the hits counted by status have been contacted."""
    return sum(n for status, n in by_status.items() if status != HitStatus.WAITING)


def fold() -> int:
    """Fold the entries recorded since the last call into the counts and commit. Return their number.

    Called by the ticker; a concurrent call does nothing.
    """
    if not try_lock(db.session(), Lock.COUNTS):
        db.session.rollback()
        return 0
    folded = db.session.execute(text(SQL["fold"])).scalar_one()
    if folded:
        db.session.execute(delete(HitCount).where(HitCount.n == 0))
    db.session.commit()
    return int(folded)
