"""The effect of each rule in people and money: treated against held out, judged by what everybody bought.

People count for a rule when their first hit ever of it lies in the period, in the arm of that hit. What they
bought from that day to a number of days later counts, of the products that the hit's version names. The
difference of the shares has Newcombe's interval (app/rules/proportion.py), that of the margin a person the
usual one for two means of large samples. Costs are those of contacts with the treated people's hits of the
rule in that time.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, String, and_, any_, case, cast, func, or_, select, true
from sqlalchemy.orm import aliased

from app.extensions import db
from app.models import CONVERSION_DAYS, Hit, Outreach, Rule, RuleVersion
from app.rules import conversions
from app.rules.proportion import Interval, Share, Z, difference
from config import Settings


@dataclass(frozen=True)
class Arm:
    """The people of an arm, those who converted, and what all of them bought in time, in yuan.

    ``squares`` is the sum of the squares of each person's margin.
    """

    people: int = 0
    converted: int = 0
    amount: float = 0.0
    margin: float = 0.0
    squares: float = 0.0

    @property
    def share(self) -> Share:
        """The share that converted."""
        return Share(self.converted, self.people)

    @property
    def mean(self) -> float:
        """The margin a person."""
        return self.margin / self.people if self.people else 0.0

    @property
    def variance_of_mean(self) -> float:
        """The estimated variance of the margin a person."""
        if self.people < 2:
            return 0.0
        spread = max(self.squares - self.people * self.mean**2, 0.0) / (self.people - 1)
        return spread / self.people

    def as_json(self) -> dict[str, float]:
        """Return the figures that the report shows."""
        names = ("people", "converted", "amount", "margin")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class RuleEffect:
    """Both arms of a rule and the cost of contacts. Without people in both nothing is known of the effect."""

    treated: Arm
    holdout: Arm
    cost: float

    @property
    def is_compared(self) -> bool:
        """Whether there are people in both arms."""
        return bool(self.treated.people and self.holdout.people)

    @property
    def difference(self) -> float | None:
        """The difference of the shares that converted."""
        one, other = self.treated.share.value, self.holdout.share.value
        return None if one is None or other is None else one - other

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of the difference."""
        return difference(self.treated.share, self.holdout.share)

    @property
    def caused(self) -> float | None:
        """The margin that marketing caused: the difference a person times the treated people."""
        return (self.treated.mean - self.holdout.mean) * self.treated.people if self.is_compared else None

    @property
    def roi(self) -> float | None:
        """The return on the cost; None without a comparison or without cost."""
        return None if self.caused is None or not self.cost else (self.caused - self.cost) / self.cost

    @property
    def roi_interval(self) -> Interval | None:
        """The 95 % interval of the return; None with fewer than two people in an arm."""
        if self.roi is None or min(self.treated.people, self.holdout.people) < 2:
            return None
        deviation = math.sqrt(self.treated.variance_of_mean + self.holdout.variance_of_mean)
        reach = Z * deviation * self.treated.people / self.cost
        return Interval(self.roi - reach, self.roi + reach)

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``flask effect report --json`` prints for a rule."""
        return {
            "treated": self.treated.as_json(),
            "holdout": self.holdout.as_json(),
            "difference": self.difference,
            "interval": None if self.interval is None else list(self.interval),
            "cost": self.cost,
            "roi": self.roi,
        }


def by_rule(
    settings: Settings,
    first: dt.date,
    last: dt.date,
    days: int = CONVERSION_DAYS,
    among: ColumnElement[bool] | None = None,
) -> dict[int, RuleEffect]:
    """Return the effect of each rule that caught anybody for the first time in the period, by its id.

    ``among`` is a criterion on Hit that limits these first hits.
    """
    criterion = true() if among is None else among
    people = _people(first, last, criterion)
    arms: dict[int, dict[bool, Arm]] = {}
    for rule, held_out, *figures in db.session.execute(_arms(settings, people, days)):
        count, converted, *sums = figures
        arms.setdefault(rule, {})[held_out] = Arm(count, converted, *(float(each) for each in sums))
    costs = {rule: float(cost) for rule, cost in db.session.execute(_costs(people, days))}
    return {
        rule: RuleEffect(of.get(False, Arm()), of.get(True, Arm()), costs.get(rule, 0.0))
        for rule, of in sorted(arms.items())
    }


def report(settings: Settings, first: dt.date, last: dt.date, days: int) -> Mapping[str, RuleEffect]:
    """Return the effects by the rules' codes."""
    codes = dict(db.session.execute(select(Rule.id, Rule.code)).tuples().all())
    found = {codes[rule]: effect for rule, effect in by_rule(settings, first, last, days).items()}
    return dict(sorted(found.items()))


def _people(first: dt.date, last: dt.date, among: ColumnElement[bool]) -> Any:
    return (
        select(Hit.rule_id, Hit.lead_id, Hit.holdout, Hit.hit_date, RuleVersion.products)
        .join(RuleVersion, RuleVersion.id == Hit.version_id)
        .where(Hit.live, Hit.hit_date.between(first, last), conversions.is_first(), among)
        .cte("people")
    )


def _arms(settings: Settings, people: Any, days: int) -> Any:
    """Return a query of rule, whether held out, and the figures of Arm in order."""
    won = conversions.successes(settings, conversions.judged_by_outcomes()).c
    person = people.c
    counts = or_(
        won.product.is_(None),
        func.cardinality(person.products) == 0,
        won.product == any_(cast(person.products, ARRAY(String))),
    )
    in_time = and_(
        won.lead_id == person.lead_id, won.on.between(person.hit_date, person.hit_date + days), counts
    )
    each = (
        select(
            person.rule_id,
            person.holdout,
            func.coalesce(func.sum(won.amount), 0).label("amount"),
            func.coalesce(func.sum(won.margin), 0).label("margin"),
            func.count(won.on).label("n"),
        )
        .select_from(people.outerjoin(won.lead_id.table, in_time))
        .group_by(person.rule_id, person.lead_id, person.holdout)
        .subquery()
        .c
    )
    converted = func.sum(case((each.n > 0, 1), else_=0))
    sums = (func.sum(each.amount), func.sum(each.margin), func.sum(each.margin * each.margin))
    return select(each.rule_id, each.holdout, func.count(), converted, *sums).group_by(
        each.rule_id, each.holdout
    )


def _costs(people: Any, days: int) -> Any:
    """Return a query of rule and the cost of contacts with the treated people's hits in time."""
    of, person = aliased(Hit), people.c
    own = and_(
        of.rule_id == person.rule_id,
        of.lead_id == person.lead_id,
        of.hit_date.between(person.hit_date, person.hit_date + days),
    )
    return (
        select(person.rule_id, func.sum(func.coalesce(Outreach.cost, 0)))
        .select_from(people.join(of, own).join(Outreach, Outreach.hit_id == of.id))
        .where(person.holdout.is_(False))
        .group_by(person.rule_id)
    )
