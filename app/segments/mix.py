"""The mix of a segment's leads by source, branch and best grade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from app.lib.deadline import Deadline, DeadlineExceeded
from app.models import Branch, Hit, Lead
from app.segments.sample import sample

#: parts that a chart can show
MAX_PARTS = 12


@dataclass(frozen=True)
class Mix:
    """The number of leads and its parts, scaled from a sample unless ``exact``.

    The parts are sources (empty for none), branches with their names (None for none) and best grades, A first
    (None for leads without a hit).
    """

    total: int
    sources: list[tuple[str, int]]
    branches: list[tuple[int | None, str, int]]
    grades: list[tuple[str | None, int]]
    exact: bool


def count(session: Session, leads: ColumnElement[bool], seconds: float | None) -> tuple[int, bool]:
    """Count the leads that meet a criterion; estimate when that takes longer than ``seconds``.

    Return if exact, too.
    """
    try:
        return _total(Deadline(session, seconds), leads), True
    except DeadlineExceeded:
        part = sample(session)
        return part.scaled(_total(Deadline(session, None), and_(part.of, leads))), False


def mix(session: Session, leads: ColumnElement[bool], seconds: float | None) -> Mix:
    """Return the mix of the leads that meet a criterion, estimated when it takes longer than ``seconds``."""
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
    branches = _parts(deadline, Lead.branch_id, leads)[:MAX_PARTS]
    query = select(Branch.id, Branch.name).where(Branch.id.in_([key for key, _n in branches if key]))
    names = {row.id: row.name for row in session.execute(query)}
    return Mix(
        scaled(total),
        [(source, scaled(n)) for source, n in sources[:MAX_PARTS]],
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
    """Count the leads by best grade, through the hits, which are fewer than the leads."""
    graded_hits = select(Hit.lead_id, func.min(Hit.grade).label("grade")).where(Hit.live)
    best = graded_hits.group_by(Hit.lead_id).subquery()
    query = (
        select(best.c.grade, func.count())
        .select_from(Lead)
        .join(best, best.c.lead_id == Lead.id)
        .where(leads)
        .group_by(best.c.grade)
        .order_by(best.c.grade)
    )
    graded = [(grade, n) for grade, n in deadline.execute(query)]
    rest = total - sum(n for _grade, n in graded)
    return [*graded, *([(None, rest)] if rest > 0 else [])]
