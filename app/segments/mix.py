"""How the leads of a segment are made up: by source, branch and best grade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from app.lib.deadline import Deadline, DeadlineExceeded
from app.models import Branch, Hit, Lead
from app.segments.sample import sample

#: as many parts as a picture can show
MOST = 12


@dataclass(frozen=True)
class Mix:
    """How many leads, and their parts: sources (empty: none), branches with their names (None: none), and
    best grades of all hits, A first (None: without a hit). Scaled from a sample unless ``exact``.
    """

    total: int
    sources: list[tuple[str, int]]
    branches: list[tuple[int | None, str, int]]
    grades: list[tuple[str | None, int]]
    exact: bool


def count(session: Session, leads: ColumnElement[bool], seconds: float | None) -> tuple[int, bool]:
    """How many leads meet a criterion, and whether that is exact: it is when it takes no longer."""
    try:
        return _total(Deadline(session, seconds), leads), True
    except DeadlineExceeded:
        part = sample(session)
        return part.scaled(_total(Deadline(session, None), and_(part.of, leads))), False


def mix(session: Session, leads: ColumnElement[bool], seconds: float | None) -> Mix:
    """The mix of the leads that meet a criterion, exact when it takes no longer than ``seconds``."""
    try:
        return _mixed(session, Deadline(session, seconds), leads)
    except DeadlineExceeded:
        part = sample(session)
        return _mixed(session, Deadline(session, None), and_(part.of, leads), part.scaled, exact=False)


def _total(deadline: Deadline, leads: ColumnElement[bool]) -> int:
    return int(deadline.execute(select(func.count()).select_from(Lead).where(leads))[0][0])


def _mixed(
    session: Session,
    deadline: Deadline,
    leads: ColumnElement[bool],
    scaled: Any = int,
    *,
    exact: bool = True,
) -> Mix:
    sources = _parts(deadline, Lead.source, leads)
    total = sum(n for _source, n in sources)
    branches = _parts(deadline, Lead.branch_id, leads)[:MOST]
    query = select(Branch.id, Branch.name).where(Branch.id.in_([key for key, _n in branches if key]))
    names = {row.id: row.name for row in session.execute(query)}
    return Mix(
        scaled(total),
        [(source, scaled(n)) for source, n in sources[:MOST]],
        [(key, names.get(key, ""), scaled(n)) for key, n in branches],
        [(grade, scaled(n)) for grade, n in _grades(deadline, leads, total)],
        exact,
    )


def _parts(deadline: Deadline, column: Any, leads: ColumnElement[bool]) -> Sequence[Any]:
    number = func.count()
    return deadline.execute(
        select(column, number).where(leads).group_by(column).order_by(number.desc(), column)
    )


def _grades(deadline: Deadline, leads: ColumnElement[bool], total: int) -> list[tuple[str | None, int]]:
    """From the hits, which are fewer than the leads; the rest has none."""
    best = select(Hit.lead_id, func.min(Hit.grade).label("grade")).group_by(Hit.lead_id).subquery()
    query = (
        select(best.c.grade, func.count())
        .select_from(Lead)
        .join(best, best.c.lead_id == Lead.id)
        .where(leads)
        .group_by(best.c.grade)
        .order_by(best.c.grade)
    )
    found = [(grade, n) for grade, n in deadline.execute(query)]
    rest = total - sum(n for _grade, n in found)
    return [*found, *([(None, rest)] if rest > 0 else [])]
