"""How the leads of a segment are made up: by source, branch and best grade."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from app.models import Branch, Hit, Lead

#: as many parts as a picture can show
MOST = 12


def by_source(session: Session, leads: Select[int], scope: ColumnElement[bool]) -> list[tuple[str, int]]:
    """Leads by source, most first; the empty text stands for none."""
    return _counted(session, Lead.source, leads, scope)


def by_branch(
    session: Session, leads: Select[int], scope: ColumnElement[bool]
) -> list[tuple[int | None, str, int]]:
    """Leads by branch id and name, most first; None stands for leads without one."""
    found = _counted(session, Lead.branch_id, leads, scope)
    query = select(Branch.id, Branch.name).where(Branch.id.in_([key for key, _n in found if key]))
    names = {row.id: row.name for row in session.execute(query)}
    return [(key, names.get(key, ""), n) for key, n in found]


def by_grade(
    session: Session, leads: Select[int], scope: ColumnElement[bool]
) -> list[tuple[str | None, int]]:
    """Leads by the best grade of all their hits, A first; None stands for leads without a hit."""
    best = select(Hit.lead_id, func.min(Hit.grade).label("grade")).group_by(Hit.lead_id).subquery()
    query = (
        select(best.c.grade, func.count())
        .select_from(Lead)
        .outerjoin(best, best.c.lead_id == Lead.id)
        .where(scope, Lead.id.in_(leads))
        .group_by(best.c.grade)
        .order_by(best.c.grade.nulls_last())
    )
    return [(grade, n) for grade, n in session.execute(query)]


def _counted(session: Session, column: Any, leads: Select[int], scope: ColumnElement[bool]) -> list[Any]:
    number = func.count()
    query = select(column, number).where(scope, Lead.id.in_(leads)).group_by(column)
    return [tuple(row) for row in session.execute(query.order_by(number.desc(), column).limit(MOST))]
