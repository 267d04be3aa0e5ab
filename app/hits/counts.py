"""Counts of hits without reading the hits: exact at any moment, kept by triggers, folded by the ticker.

A count is what HitCount (by date) or HitTotal (all dates) says plus what HitDelta holds since the last fold.
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
#: by what counts can be asked for without a date
KEYS = ("rule_id", "grade", "source", "branch_id", "status")
DATES = ("hit_date", "made_on")


@dataclass(frozen=True)
class Chosen:
    """Which hits are counted: every filter that is given must hold, for the person's row scope.

    ``branch`` is the path of a branch and stands for those below it too. Dates are local, both included.
    """

    person: Any
    rule: int | None = None
    grade: str | None = None
    source: str | None = None
    branch: str | None = None
    status: str | None = None
    first: dt.date | None = None
    last: dt.date | None = None
    made_on: dt.date | None = None

    @property
    def dated(self) -> bool:
        """Whether any date is asked about."""
        return (self.first, self.last, self.made_on) != (None, None, None)

    def but(self, **changed: Any) -> Chosen:
        """The same with some filters changed."""
        return replace(self, **changed)

    def criterion(self, table: Any) -> ColumnElement[bool]:
        """The filters on Hit or on one of the tables of counts."""
        asked = {"rule_id": self.rule, "grade": self.grade, "source": self.source, "status": self.status}
        found = [getattr(table, name) == value for name, value in asked.items() if value is not None]
        if self.branch == NO_BRANCH:
            found.append(table.branch_id == 0)
        elif self.branch is not None:
            below = select(Branch.id).where(
                Branch.path.startswith(self.branch, autoescape=True), branches_visible_to(self.person)
            )
            found.append(table.branch_id.in_(below))
        found.append(within_branches(table.branch_id, self.person))
        if self.first is not None:
            found.append(table.hit_date >= self.first)
        if self.last is not None:
            found.append(table.hit_date <= self.last)
        if self.made_on is not None:
            found.append(table.made_on == self.made_on)
        return and_(true(), *found)


def count(chosen: Chosen, by: Sequence[str] = ()) -> dict[tuple[Any, ...], int]:
    """How many live hits there are of each combination of the columns ``by``; none are left out.

    Without ``by`` there is one entry, for the empty combination, when there is any hit.
    """
    dated = chosen.dated or any(name in DATES for name in by)
    whole: Any = HitCount if dated else HitTotal
    parts = [
        select(*(getattr(table, name).label(name) for name in by), table.n.label("n")).where(
            chosen.criterion(table)
        )
        for table in (whole, HitDelta)
    ]
    cells = parts[0].union_all(parts[1]).subquery()
    keys = [cells.c[name] for name in by]
    total = func.coalesce(func.sum(cells.c.n), 0)
    query = select(*keys, total).group_by(*keys).having(total != 0)
    return {tuple(row[:-1]): int(row[-1]) for row in db.session.execute(query)}


def live(chosen: Chosen, by: Sequence[str] = ()) -> dict[tuple[Any, ...], int]:
    """The same, counted from the hits themselves; slow, for checks."""
    keys = [getattr(Hit, name) for name in by]
    query = select(*keys, func.count()).where(Hit.live, chosen.criterion(Hit)).group_by(*keys)
    return {tuple(row[:-1]): int(row[-1]) for row in db.session.execute(query) if row[-1]}


def total(chosen: Chosen) -> int:
    """How many live hits there are."""
    return count(chosen).get((), 0)


def contacted(by_status: dict[str, int]) -> int:
    """Of hits by status, how many have been contacted."""
    return sum(n for status, n in by_status.items() if status != HitStatus.WAITING)


def fold() -> int:
    """Add what came since the last fold to the counts; how many entries that were. Commits.

    What the ticker calls; a second one at the same time passes.
    """
    if not try_lock(db.session(), Lock.COUNTS):
        db.session.rollback()
        return 0
    folded = db.session.execute(text(SQL["fold"])).scalar_one()
    if folded:
        db.session.execute(delete(HitCount).where(HitCount.n == 0))
    db.session.commit()
    return int(folded)
