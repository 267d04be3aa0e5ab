"""The effect of each rule in people and money: treated against held out, judged by what everybody bought.

People count for a rule when their first hit ever of it lies in the period, in the arm of that hit. What they
bought from that day to a number of days later counts, of the products that the hit's version names. The
difference of the shares has Newcombe's interval (app/rules/proportion.py), those of amount and margin a
person the same one for money (app/effect/means.py). Costs are those of contacts with the treated people's
hits of the rule in that time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, String, and_, any_, case, cast, func, literal, or_, select, true
from sqlalchemy.orm import aliased

from app.effect import means
from app.effect.means import Estimate, Sums
from app.extensions import db
from app.models import Hit, Outreach, Rule, RuleVersion
from app.rules import conversions
from app.rules.proportion import Interval, Share, difference
from config import Settings


@dataclass(frozen=True)
class Arm:
    """The people of an arm, those who converted, and what all of them bought in time, in yuan.

    ``squares`` is the sum of the squares of each person's margin, ``amount_squares`` that of the amounts.
    ``losses`` and ``loss_squares`` are those of people whose margin is below 0, as positive numbers.
    """

    people: int = 0
    converted: int = 0
    amount: float = 0.0
    margin: float = 0.0
    squares: float = 0.0
    amount_squares: float = 0.0
    losses: float = 0.0
    loss_squares: float = 0.0

    def __add__(self, other: Arm) -> Arm:
        return Arm(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def __sub__(self, other: Arm) -> Arm:
        return Arm(*(getattr(self, each.name) - getattr(other, each.name) for each in fields(self)))

    def among(self, people: int) -> Arm:
        """Return the arm with all people instead of those who bought anything only."""
        return replace(self, people=people)

    @property
    def share(self) -> Share:
        """The share that converted."""
        return Share(self.converted, self.people)

    @property
    def amounts(self) -> Sums:
        """The amounts by person."""
        return Sums(self.people, self.amount, self.amount_squares)

    @property
    def gains(self) -> Sums:
        """The margins by person, losses left out."""
        return Sums(self.people, self.margin + self.losses, self.squares - self.loss_squares)

    @property
    def lost(self) -> Sums:
        """The losses by person."""
        return Sums(self.people, self.losses, self.loss_squares)

    def as_json(self) -> dict[str, float]:
        """Return the figures that the report shows."""
        names = ("people", "converted", "amount", "margin")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Return:
    """The margin that marketing caused, and the cost of it."""

    caused: Estimate
    cost: float

    @property
    def roi(self) -> Estimate | None:
        """The return on the cost; None without cost."""
        if not self.cost:
            return None
        low, high = (end / self.cost - 1 for end in self.caused.interval)
        return Estimate(self.caused.value / self.cost - 1, Interval(low, high))


@dataclass(frozen=True)
class ArmsEffect:
    """Both arms and the cost of contacts. Without people in both nothing is known of the effect."""

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
    def amount(self) -> Estimate | None:
        """The difference of the amount a person."""
        return means.difference(self.treated.amounts, self.holdout.amounts) if self.is_compared else None

    @property
    def margin(self) -> Estimate | None:
        """The difference of the margin a person."""
        return margins_apart(self.treated, self.holdout) if self.is_compared else None

    @property
    def brought(self) -> Return | None:
        """What marketing caused: the difference of the margin a person, times the treated people."""
        return None if self.margin is None else Return(self.margin * self.treated.people, self.cost)

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``flask effect report --json`` prints for a rule."""
        roi = self.brought.roi if self.brought else None
        return {
            "treated": self.treated.as_json(),
            "holdout": self.holdout.as_json(),
            "difference": self.difference,
            "interval": None if self.interval is None else list(self.interval),
            "cost": self.cost,
            "roi": None if roi is None else roi.value,
        }


def margins_apart(one: Arm, other: Arm) -> Estimate:
    """Return the difference of the margin a person; there are people in both arms."""
    lost = means.difference(one.lost, other.lost)
    return means.total([means.difference(one.gains, other.gains), -lost])


def together(effects: Sequence[ArmsEffect]) -> Return | None:
    """Return what several effects brought together, of those that are compared; None when none is."""
    return summed([each.brought for each in effects if each.brought])


def summed(parts: Sequence[Return]) -> Return | None:
    """Return the sum, None of none. The draws of rules are independent, and so are the differences."""
    if not parts:
        return None
    return Return(means.total(each.caused for each in parts), sum(each.cost for each in parts))


def by_rule(
    settings: Settings,
    first: dt.date,
    last: dt.date,
    days: int | None = None,
    among: ColumnElement[bool] | None = None,
) -> dict[int, ArmsEffect]:
    """Return the effect of each rule that caught anybody for the first time in the period, by its id.

    ``days`` are by default the conversion days. ``among`` is a criterion on Hit that limits these first hits.
    """
    parts = by_part(settings, first, last, literal(0), days, among)
    return {rule: effect for (_part, rule), effect in parts.items()}


def by_part(
    settings: Settings,
    first: dt.date,
    last: dt.date,
    part: Any,
    days: int | None = None,
    among: ColumnElement[bool] | None = None,
) -> dict[tuple[Any, int], ArmsEffect]:
    """Return the same for each ``part``, an expression on Hit, by part and rule."""
    days = conversions.days() if days is None else days
    people = _people(first, last, part, true() if among is None else among)
    arms: dict[tuple[Any, int], dict[bool, Arm]] = {}
    for key, rule, held_out, *figures in db.session.execute(_arms(settings, people, days)):
        arms.setdefault((key, rule), {})[held_out] = arm(figures)
    costs = {(key, rule): float(cost) for key, rule, cost in db.session.execute(_costs(people, days))}
    return {
        key: ArmsEffect(of.get(False, Arm()), of.get(True, Arm()), costs.get(key, 0.0))
        for key, of in sorted(arms.items())
    }


def report(settings: Settings, first: dt.date, last: dt.date, days: int | None) -> Mapping[str, ArmsEffect]:
    """Return the effects by the rules' codes."""
    codes = dict(db.session.execute(select(Rule.id, Rule.code)).tuples().all())
    found = {codes[rule]: effect for rule, effect in by_rule(settings, first, last, days).items()}
    return dict(sorted(found.items()))


def _people(first: dt.date, last: dt.date, part: Any, among: ColumnElement[bool]) -> Any:
    return (
        select(part.label("part"), Hit.rule_id, Hit.lead_id, Hit.holdout, Hit.hit_date, RuleVersion.products)
        .join(RuleVersion, RuleVersion.id == Hit.version_id)
        .where(Hit.live, Hit.hit_date.between(first, last), conversions.is_first(), among)
        .cte("people")
    )


def _arms(settings: Settings, people: Any, days: int) -> Any:
    """Return a query of part, rule, whether held out, and the figures of Arm in order."""
    keys = (people.c.part, people.c.rule_id, people.c.holdout)
    each = bought(settings, people, people.c.hit_date, days, *keys).c
    of = (each.part, each.rule_id, each.holdout)
    return select(*of, *arm_columns(each)).group_by(*of)


def bought(settings: Settings, people: Any, since: Any, days: int, *keys: Any) -> Any:
    """Return a subquery of people by ``keys`` and lead: what they bought in time, and how often (``n``).

    ``people`` has their lead_id and products; days count from ``since`` to ``days`` later.
    """
    won = conversions.successes(settings, conversions.judged_by_outcomes()).c
    person = people.c
    counts = or_(
        won.product.is_(None),
        func.cardinality(person.products) == 0,
        won.product == any_(cast(person.products, ARRAY(String))),
    )
    in_time = and_(won.lead_id == person.lead_id, won.on.between(since, since + days), counts)
    return (
        select(
            *keys,
            func.coalesce(func.sum(won.amount), 0).label("amount"),
            func.coalesce(func.sum(won.margin), 0).label("margin"),
            func.count(won.on).label("n"),
        )
        .select_from(people.outerjoin(won.lead_id.table, in_time))
        .group_by(*keys, person.lead_id)
        .subquery()
    )


def arm_columns(each: Any) -> list[Any]:
    """Return the columns of Arm, given a row for each person with ``n``, ``amount`` and ``margin``."""
    loss = func.greatest(-each.margin, 0)
    return [
        func.count(),
        func.coalesce(func.sum(case((each.n > 0, 1), else_=0)), 0),
        *(
            func.coalesce(func.sum(one), 0)
            for one in (
                *(each.amount, each.margin, each.margin * each.margin, each.amount * each.amount),
                *(loss, loss * loss),
            )
        ),
    ]


def arm(figures: Sequence[Any]) -> Arm:
    """Return the arm of a row of ``arm_columns``."""
    people, converted, *sums = figures
    return Arm(people, converted, *(float(each) for each in sums))


def _costs(people: Any, days: int) -> Any:
    """Return a query of part, rule and the cost of contacts with the treated people's hits in time."""
    of, person = aliased(Hit), people.c
    own = and_(
        of.rule_id == person.rule_id,
        of.lead_id == person.lead_id,
        of.hit_date.between(person.hit_date, person.hit_date + days),
    )
    return (
        select(person.part, person.rule_id, func.sum(func.coalesce(Outreach.cost, 0)))
        .select_from(people.join(of, own).join(Outreach, Outreach.hit_id == of.id))
        .where(person.holdout.is_(False))
        .group_by(person.part, person.rule_id)
    )
