"""What contact is worth: customers a rule caught and left to marketing, against those it held out.

By intention to treat: everybody not held out counts, whether or not somebody got round to contacting them, so
that the groups differ by the draw alone. A person counts once a rule, in the version and the group of the
first hit in the dates. Who converted on or after the day of that hit, by any rule's hit
(app/rules/conversions.py), is a conversion, whoever contacted them. Channel, template and time of day choose
nothing here: only one group has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import func, select

from app.effect.funnel import Asked
from app.extensions import db
from app.models import Hit
from app.rules.conversions import converted
from app.rules.proportion import Interval, Share, difference, mean_difference

#: with fewer people in a group, or fewer conversions in both, nothing is said about a difference
MIN_PEOPLE, MIN_CONVERTED = 30, 5


@dataclass(frozen=True)
class Comparison:
    """People who converted among those a rule version left to marketing, and among those it held out.

    ``difference`` (a share, −1 to 1) is None while nobody is held out. ``version`` None stands for all.
    """

    version: int | None
    marketed: Share
    held_out: Share
    difference: float | None
    interval: Interval | None

    @property
    def enough(self) -> bool:
        """Whether there are people and conversions enough to say anything."""
        people = min(self.marketed.whole, self.held_out.whole)
        return people >= MIN_PEOPLE and self.marketed.part + self.held_out.part >= MIN_CONVERTED

    @property
    def proven(self) -> bool:
        """Whether the difference is more than chance would make, at 95 % confidence."""
        return self.enough and self.interval is not None and not self.interval.low <= 0 <= self.interval.high


def compare(asked: Asked) -> list[Comparison]:
    """The comparison in all, then of each rule version that caught anybody.

    The one in all is of the versions that hold somebody out, as the mean of their differences: versions that
    hold out different shares of different customers must not be thrown together.
    """
    found: dict[int, dict[bool, Share]] = {}
    for version, held_out, people, won in db.session.execute(_query(asked)):
        found.setdefault(version, {})[held_out] = Share(won, people)
    none = Share(0, 0)
    versions = [_one(key, of.get(False, none), of.get(True, none)) for key, of in sorted(found.items())]
    return [_all(versions), *versions]


def _one(version: int, marketed: Share, held_out: Share) -> Comparison:
    p, q = marketed.value, held_out.value
    apart = None if p is None or q is None else p - q
    return Comparison(version, marketed, held_out, apart, difference(marketed, held_out))


def _all(versions: Sequence[Comparison]) -> Comparison:
    both = [each for each in versions if each.difference is not None]
    mean = mean_difference([(each.marketed, each.held_out) for each in both])
    apart, interval = mean or (None, None)
    marketed, held_out = ([getattr(each, name) for each in both] for name in ("marketed", "held_out"))
    return Comparison(None, _sum(marketed), _sum(held_out), apart, interval)


def _sum(shares: Sequence[Share]) -> Share:
    return Share(sum(each.part for each in shares), sum(each.whole for each in shares))


def _query(asked: Asked) -> Any:
    """Version, whether held out, people, those who converted."""
    people = (
        select(Hit.rule_id, Hit.lead_id, Hit.version_id, Hit.holdout, Hit.hit_date)
        .distinct(Hit.rule_id, Hit.lead_id)
        .where(Hit.live, *asked.criterion())
        .order_by(Hit.rule_id, Hit.lead_id, Hit.hit_date, Hit.id)
        .subquery()
        .c
    )
    won = converted(current_app.config["SETTINGS"], asked.chosen.first).subquery()
    last = select(won.c.lead_id, func.max(won.c.on).label("on")).group_by(won.c.lead_id).subquery().c
    return (
        select(
            people.version_id, people.holdout, func.count(), func.count().filter(last.on >= people.hit_date)
        )
        .select_from(people.lead_id.table.outerjoin(last.lead_id.table, last.lead_id == people.lead_id))
        .group_by(people.version_id, people.holdout)
    )
