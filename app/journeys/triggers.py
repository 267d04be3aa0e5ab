"""Who could have entered a journey in a period of the past, and when.

What the T+1 run of a date finds is there at its time on the day after: hits, outcomes, who came into a
segment, facts that became true. A date that a fact says counts on its day, as known the day before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Date, Integer, Select, cast, literal, select

from app.errors import DomainError
from app.extensions import db
from app.facts.conditions import FactTest
from app.journeys.definition import (
    Bought,
    DateTrigger,
    FactTrigger,
    HitTrigger,
    OutcomeTrigger,
    SegmentTrigger,
)
from app.lib.columns import integers
from app.lib.lazy import lazy
from app.lib.wall_clock import WallClock, date_of, number_of
from app.models import Hit, HitStatus, Lead, Outcome, Product, Rule, Segment
from app.segments.definition import segment_def
from app.segments.evaluation import Evaluation
from app.segments.leads import segment_criterion
from config import Settings

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

Array = Any
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Events:
    """What could have let leads enter: ids of leads, moments, and of hits (0 without one), in that order."""

    leads: Array
    moments: Array
    hits: Array

    @classmethod
    def sorted(cls, leads: Array, moments: Array, hits: Array) -> Events:
        """Return them by lead and moment."""
        order = np.lexsort((hits, moments, leads))
        return cls(leads[order], moments[order], hits[order])


def events(trigger: Any, settings: Settings, clock: WallClock, period: tuple[dt.date, dt.date]) -> Events:
    """Return who could have entered on the days of a period."""
    finder = _FINDERS[type(trigger)]
    leads, days, hits = finder(trigger, settings, number_of(period[0]), number_of(period[1]))
    at = settings.t1_time.hour * 3600 + settings.t1_time.minute * 60
    return Events.sorted(leads, clock.moments(days * 86_400 + at), hits)


def day_number(column: Any) -> Any:
    """Return the number of a date in a column."""
    return cast(column - literal(_EPOCH, Date), Integer)


def outcomes_of(bought: Bought | None) -> Select[Any]:
    """Select the leads and the numbers of the days of outcomes, of some products or any."""
    query = select(Outcome.lead_id, day_number(Outcome.on_date))
    if bought is not None and bought.products:
        query = query.join(Product, Product.id == Outcome.product_id)
        query = query.where(Product.code.in_(bought.products))
    return query


def _of_hits(trigger: HitTrigger, _settings: Settings, first: int, last: int) -> tuple[Array, Array, Array]:
    query = select(Hit.lead_id, day_number(Hit.hit_date) + 1, Hit.id)
    query = query.where(Hit.hit_date.between(date_of(first - 1), date_of(last - 1)))
    query = query.where(Hit.status != HitStatus.WITHDRAWN)
    if trigger.rules:
        query = query.join(Rule, Rule.id == Hit.rule_id).where(Rule.code.in_(trigger.rules))
    if trigger.grades:
        query = query.where(Hit.grade.in_(trigger.grades))
    leads, days, hits = integers(db.session.connection(), query)
    return leads, days, hits


def _of_outcomes(trigger: OutcomeTrigger, _s: Settings, first: int, last: int) -> tuple[Array, Array, Array]:
    within = Outcome.on_date.between(date_of(first - 1), date_of(last - 1))
    leads, days = integers(db.session.connection(), outcomes_of(trigger).where(within).distinct())
    return leads, days + 1, np.zeros(len(leads), np.int64)


def _of_segment(
    trigger: SegmentTrigger, settings: Settings, first: int, last: int
) -> tuple[Array, Array, Array]:
    stored = db.session.scalar(
        select(Segment.definition).where(Segment.shared, Segment.code == trigger.segment)
    )
    if stored is None:
        raise DomainError("There is no shared segment with the code %(code)s.", code=trigger.segment)
    definition = segment_def(stored)

    def members(day: dt.date) -> Any:
        known_at = dt.datetime.combine(day + dt.timedelta(days=1), settings.t1_time, settings.zone)
        return segment_criterion(db.session(), definition, settings, day, day, alive_at=known_at)

    return _becoming(members, first, last)


def _of_fact(trigger: FactTrigger, settings: Settings, first: int, last: int) -> tuple[Array, Array, Array]:
    test = FactTest(**{name: getattr(trigger, name) for name in FactTest.model_fields})
    return _becoming(lambda day: Evaluation(settings, day, day).criterion(test), first, last)


def _of_date(trigger: DateTrigger, settings: Settings, first: int, last: int) -> tuple[Array, Array, Array]:
    def due(day: dt.date) -> Any:
        said = day - dt.timedelta(days=trigger.days)
        test = FactTest(fact=trigger.fact, op="==", value=said.isoformat())
        before = day - dt.timedelta(days=1)
        return Evaluation(settings, before, before).criterion(test)

    found = [(day, leads_where(due(date_of(day)))) for day in range(first, last + 1)]
    return _stacked(found)


def leads_where(criterion: Any) -> Array:
    """Return the ids of the leads that meet a criterion, in order."""
    return np.sort(integers(db.session.connection(), select(Lead.id).where(criterion))[0])


def _becoming(criterion: Callable[[dt.date], Any], first: int, last: int) -> tuple[Array, Array, Array]:
    """Return who meets a criterion as of a date and did not as of the day before, with the day after it."""
    before = leads_where(criterion(date_of(first - 2)))
    found = []
    for day in range(first, last + 1):
        now = leads_where(criterion(date_of(day - 1)))
        found.append((day, np.setdiff1d(now, before, assume_unique=True)))
        before = now
    return _stacked(found)


def _stacked(found: list[tuple[int, Array]]) -> tuple[Array, Array, Array]:
    leads = np.concatenate([leads for _day, leads in found])
    days = np.repeat(np.array([day for day, _leads in found]), [len(leads) for _day, leads in found])
    return leads, days, np.zeros(len(leads), np.int64)


_FINDERS: dict[type, Callable[[Any, Settings, int, int], tuple[Array, Array, Array]]] = {
    HitTrigger: _of_hits,
    SegmentTrigger: _of_segment,
    FactTrigger: _of_fact,
    DateTrigger: _of_date,
    OutcomeTrigger: _of_outcomes,
}
