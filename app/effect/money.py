"""What marketing brings by branch, by template and by batch, in money.

By branch the groups of each rule are compared with those held out, and what that caused is added up. Batches
and templates only have customers who were contacted, so that nothing can be said of what they caused: only
what these customers bought, from the day of their first such contact on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Date, and_, cast, func, literal, or_, select

from app.effect import report
from app.effect.comparison import MIN_PEOPLE
from app.effect.funnel import EffectFilters
from app.effect.report import Arm, ArmsEffect, Return
from app.extensions import db
from app.hits.by_branch import BranchParts
from app.lib.settings import current_settings
from app.models import Hit, Outreach, RuleVersion
from app.rules import conversions

#: what contacts are gathered by → column of Outreach
CONTACTED = {"template": Outreach.version_id, "batch": Outreach.batch_id}


@dataclass(frozen=True)
class Part:
    """People of a part of the hits, those who converted, what all bought, and the cost of contacts with them.

    ``brought`` is what marketing caused, of the rules that hold somebody out; ``without_holdout`` counts the
    others, ``large`` the rules with enough people in both arms for a verdict. Contacted people have none.
    """

    people: int
    converted: int
    amount: float
    margin: float
    cost: float
    brought: Return | None = None
    without_holdout: int = 0
    large: int = 0

    def __add__(self, other: Part) -> Part:
        return Part(
            self.people + other.people,
            self.converted + other.converted,
            self.amount + other.amount,
            self.margin + other.margin,
            self.cost + other.cost,
            report.summed([each.brought for each in (self, other) if each.brought]),
            self.without_holdout + other.without_holdout,
            self.large + other.large,
        )


NOBODY = Part(0, 0, 0.0, 0.0, 0.0)


def of_effects(effects: Sequence[ArmsEffect]) -> Part:
    """Return the part made up of the treated people of some effects."""
    treated = sum((each.treated for each in effects), Arm())
    cost, brought = sum(each.cost for each in effects), report.together(effects)
    without = sum(not each.is_compared for each in effects)
    large = sum(min(each.treated.people, each.holdout.people) >= MIN_PEOPLE for each in effects)
    return replace(part(treated, cost), brought=brought, without_holdout=without, large=large)


def part(people: Arm, cost: float) -> Part:
    """Return the part of some people."""
    return Part(people.people, people.converted, people.amount, people.margin, cost)


def by_rule(filters: EffectFilters) -> dict[int, ArmsEffect]:
    """Return the effect of each rule on the dates of the filters."""
    first, last = _dates(filters)
    return report.by_rule(current_settings(), first, last, among=and_(*filters.criterion()))


def by_branch(filters: EffectFilters) -> dict[str, Part]:
    """Return the parts by branch, by the filter values of the hit list."""
    first, last = _dates(filters)
    branches = BranchParts(filters.hits.user, filters.hits.branch)
    found: dict[str, dict[int, ArmsEffect]] = {}
    settings, among = current_settings(), and_(*filters.criterion())
    effects = report.by_part(settings, first, last, Hit.branch_id, among=among)
    for (branch, rule), effect in effects.items():
        rules = found.setdefault(branches.part_of(branch), {})
        rules[rule] = _added(rules[rule], effect) if rule in rules else effect
    return {part: of_effects(list(rules.values())) for part, rules in found.items()}


def _added(one: ArmsEffect, other: ArmsEffect) -> ArmsEffect:
    """Return the effect of a rule on the people of two branches, whose draw is the same."""
    return ArmsEffect(one.treated + other.treated, one.holdout + other.holdout, one.cost + other.cost)


def by_contact(filters: EffectFilters, name: str) -> dict[str, Part]:
    """Return the people contacted by template or batch and what they bought, by the id of that.

    The contacts are those with hits of the filters that were sent, whether or not they arrived. A customer
    counts for each template or batch once.
    """
    found = contacted(CONTACTED[name], *filters.criterion())
    return {str(key): part(people, cost) for key, (people, cost) in found.items()}


def contacted(by: Any, *criteria: Any) -> dict[Any, tuple[Arm, float]]:
    """Return the people whom contacts were sent to with what they bought, and the cost.

    Both are by a column of Outreach; ``criteria`` on that or on Hit limit the contacts. What counts for a
    contact without a hit is of any product.
    """
    day = cast(func.timezone(current_settings().timezone, Outreach.sent_at), Date)
    live = or_(Outreach.hit_id.is_(None), Hit.live)
    products = func.coalesce(RuleVersion.products, literal([], RuleVersion.products.type))
    people = (
        select(by.label("part"), Outreach.lead_id, day.label("day"), products.label("products"))
        .distinct(by, Outreach.lead_id)
        .outerjoin(Hit, Hit.id == Outreach.hit_id)
        .outerjoin(RuleVersion, RuleVersion.id == Hit.version_id)
        .where(live, *criteria, Outreach.sent_at.is_not(None))
        .order_by(by, Outreach.lead_id, Outreach.sent_at, Outreach.id)
        .cte("people")
    )
    each = report.bought(current_settings(), people, people.c.day, conversions.days(), people.c.part).c
    arms = db.session.execute(select(each.part, *report.arm_columns(each)).group_by(each.part))
    found = {part: report.arm(figures) for part, *figures in arms}
    costs = (
        select(by, func.sum(Outreach.cost))
        .outerjoin(Hit, Hit.id == Outreach.hit_id)
        .where(live, *criteria, Outreach.sent_at.is_not(None))
        .group_by(by)
    )
    spent = dict(db.session.execute(costs).tuples().all())
    return {part: (people_of, float(spent[part] or 0)) for part, people_of in found.items()}


def _dates(filters: EffectFilters) -> tuple[dt.date, dt.date]:
    hits = filters.hits
    return hits.first or dt.date.min, hits.last or dt.date.max
