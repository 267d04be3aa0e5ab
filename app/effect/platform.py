"""The effect of all marketing together: the universal control group against everybody else.

Nobody contacts the members of the group for marketing at all, so that what the others buy more is what the
whole platform causes. People are judged by the outcomes of any product dated in the period, from the day on
which the group began in a year; costs are those of all contacts of these days.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Date, and_, cast, func, select

from app.access.scope import branches_visible_to, leads_visible_to
from app.effect.report import Arm, ArmsEffect, arm, arm_columns
from app.extensions import db
from app.hits.counts import NO_BRANCH, HitFilter
from app.lib import clock
from app.lib.settings import current_settings
from app.models import Branch, ControlMember, Lead, Outreach
from app.rules import control_group, conversions


@dataclass(frozen=True)
class YearEffect:
    """What the others and the group of a year bought on the dates of the period that the group existed."""

    first: dt.date
    last: dt.date
    effect: ArmsEffect


def measure(filters: HitFilter) -> list[YearEffect]:
    """Return the effect for each year of the period that has a group.

    Scope, branch and source limit the people. The period ends today at the latest, and begins with the first
    group if it has no beginning.
    """
    found = []
    for year, first, last in _years(filters):
        members, others, cost = _group(year, _people(filters), first, last)
        found.append(YearEffect(first, last, ArmsEffect(others, members, cost)))
    return found


def _years(filters: HitFilter) -> Iterator[tuple[int, dt.date, dt.date]]:
    """Yield the years with a group and the dates on which it can be measured."""
    since = control_group.since()
    until = min(filters.last or dt.date.max, clock.today())
    for year in db.session.scalars(select(ControlMember.year).distinct().order_by(ControlMember.year)):
        begins = max((day for day in since if day.year <= year), default=dt.date(year, 1, 1))
        first = max(filters.first or dt.date.min, dt.date(year, 1, 1), begins)
        last = min(until, dt.date(year, 12, 31))
        if first <= last:
            yield year, first, last


def _people(filters: HitFilter) -> Any:
    """Return the criterion on Lead that the filters make."""
    criteria = [leads_visible_to(filters.user)]
    if filters.source is not None:
        criteria.append(func.coalesce(Lead.source, "") == filters.source)
    if filters.branch == NO_BRANCH:
        criteria.append(Lead.branch_id.is_(None))
    elif filters.branch is not None:
        path = Branch.path.startswith(filters.branch, autoescape=True)
        below = select(Branch.id).where(path, branches_visible_to(filters.user))
        criteria.append(Lead.branch_id.in_(below))
    return and_(*criteria)


def _group(year: int, people: Any, first: dt.date, last: dt.date) -> tuple[Arm, Arm, float]:
    """Return the members of a year, all others, and the cost of contacts with these."""
    member = and_(ControlMember.lead_id == Lead.id, ControlMember.year == year)
    count = select(func.count()).select_from(Lead).where(people)
    everybody = db.session.scalar(count) or 0
    members = db.session.scalar(count.join(ControlMember, member)) or 0
    won = conversions.successes(current_settings(), by_outcomes=True).c
    buyers = (
        select(
            won.lead_id,
            func.bool_or(ControlMember.lead_id.is_not(None)).label("member"),
            func.sum(won.amount).label("amount"),
            func.sum(won.margin).label("margin"),
            func.count().label("n"),
        )
        .join(Lead, Lead.id == won.lead_id)
        .outerjoin(ControlMember, member)
        .where(people, won.on.between(first, last))
        .group_by(won.lead_id)
        .subquery()
        .c
    )
    rows = db.session.execute(select(buyers.member, *arm_columns(buyers)).group_by(buyers.member))
    bought = {held_out: arm(figures) for held_out, *figures in rows}
    group, others = bought.get(True, Arm()), bought.get(False, Arm())
    return group.among(members), others.among(everybody - members), _cost(people, first, last)


def _cost(people: Any, first: dt.date, last: dt.date) -> float:
    day = cast(func.timezone(current_settings().timezone, Outreach.sent_at), Date)
    query = select(func.coalesce(func.sum(Outreach.cost), 0)).join(Lead, Lead.id == Outreach.lead_id)
    return float(db.session.scalar(query.where(people, day.between(first, last))) or 0)
