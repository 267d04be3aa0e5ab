"""The effect of marketing: conversions of customers left to marketing, compared with the holdout group.

The comparison is by intention to treat: everybody who is not held out belongs to the marketing group, whether
or not somebody contacted them, so that the groups differ only by the random draw. A customer counts for a
rule when their first hit ever of it lies on the dates, in the version and group of that hit, and as converted
when it converted (app/rules/conversions.py); while claims stand in, when any of their hits converted on or
after its day. Filters on channel, template and time of day are ignored, because only the marketing group has
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import func, select

from app.effect.funnel import EffectFilters
from app.extensions import db
from app.models import Hit
from app.rules import conversions
from app.rules.proportion import Interval, Share, difference, mean_difference

#: with fewer people in a group, or fewer conversions in both together, no verdict is given
MIN_PEOPLE, MIN_CONVERTED = 30, 5


@dataclass(frozen=True)
class Comparison:
    """The converted customers of the marketing group and of the holdout group of a rule version.

    ``difference`` of the rates (−1 to 1) is None while nobody is held out. ``version`` is None for the total.
    """

    version: int | None
    marketed: Share
    held_out: Share
    difference: float | None
    interval: Interval | None

    @property
    def has_enough_data(self) -> bool:
        """Whether there are enough people and conversions for a verdict."""
        people = min(self.marketed.whole, self.held_out.whole)
        return people >= MIN_PEOPLE and self.marketed.part + self.held_out.part >= MIN_CONVERTED

    @property
    def is_significant(self) -> bool:
        """Whether the difference is significant at 95 % confidence."""
        interval = self.interval
        return self.has_enough_data and interval is not None and not interval.low <= 0 <= interval.high


def compare(filters: EffectFilters) -> list[Comparison]:
    """Return the total comparison, then one for each rule version that caught anybody.

    The total covers the versions that hold somebody out and is the mean of their differences. Adding up their
    customers would mislead, because versions hold out different shares of different customers.
    """
    groups: dict[int, dict[bool, Share]] = {}
    for version, held_out, people, converted_people in db.session.execute(_query(filters)):
        groups.setdefault(version, {})[held_out] = Share(converted_people, people)
    none = Share(0, 0)
    versions = [
        _of_version(version, shares.get(False, none), shares.get(True, none))
        for version, shares in sorted(groups.items())
    ]
    return [_total(versions), *versions]


def _of_version(version: int, marketed: Share, held_out: Share) -> Comparison:
    p, q = marketed.value, held_out.value
    difference_of_rates = None if p is None or q is None else p - q
    return Comparison(version, marketed, held_out, difference_of_rates, difference(marketed, held_out))


def _total(versions: Sequence[Comparison]) -> Comparison:
    both = [each for each in versions if each.difference is not None]
    mean = mean_difference([(each.marketed, each.held_out) for each in both])
    difference_of_rates, interval = mean or (None, None)
    marketed, held_out = ([getattr(each, name) for each in both] for name in ("marketed", "held_out"))
    return Comparison(None, _sum(marketed), _sum(held_out), difference_of_rates, interval)


def _sum(shares: Sequence[Share]) -> Share:
    return Share(sum(each.part for each in shares), sum(each.whole for each in shares))


def _query(filters: EffectFilters) -> Any:
    """Return a query of version, whether held out, people, and those of them who converted."""
    by_outcomes = conversions.judged_by_outcomes()
    first = (Hit.live, *filters.criterion(), conversions.is_first())
    if by_outcomes:
        won = func.count().filter(conversions.converted(by_outcomes))
        query = select(Hit.version_id, Hit.holdout, func.count(), won).where(*first)
        return query.group_by(Hit.version_id, Hit.holdout)
    people = select(Hit.lead_id, Hit.version_id, Hit.holdout, Hit.hit_date).where(*first).subquery().c
    claims = conversions.successes(current_app.config["SETTINGS"], by_outcomes).c
    last = select(claims.lead_id, func.max(claims.on).label("on")).group_by(claims.lead_id).subquery().c
    return (
        select(
            people.version_id, people.holdout, func.count(), func.count().filter(last.on >= people.hit_date)
        )
        .select_from(people.lead_id.table.outerjoin(last.lead_id.table, last.lead_id == people.lead_id))
        .group_by(people.version_id, people.holdout)
    )
