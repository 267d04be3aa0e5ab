"""The funnel of hits, whole and in parts, with what the contacts cost (reach.py says what the stages mean).

Hits are counted in slices of hit dates, so that whoever waits sees how far it is; everything adds up.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, DateTime, Integer, String, func, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.effect import reach
from app.effect.reach import BANDS, Stage
from app.extensions import db
from app.hits import counts
from app.hits.by_branch import NONE, BranchParts
from app.hits.counts import Chosen
from app.models import Hit, HitStatus

#: by what the funnel is parted
DIMENSIONS = ("version", "grade", "source", "branch", "channel", "template", "hour")
#: about as many hits are counted at a time
SLICE = 250_000
#: sorting and hashing a slice's contacts in memory
_MEMORY = text("SET LOCAL work_mem = '64MB'")


@dataclass(frozen=True)
class Asked:
    """Which hits the figures are of.

    ``chosen`` says person (row scope), hit dates, rule, grade, source and branch; ``version`` is the id of a
    rule version. ``channel``, ``template`` and ``hour`` are of the first contact, as
    ``reach.first_contact`` takes them.
    """

    chosen: Chosen
    version: int | None = None
    channel: str = ""
    template: str = ""
    hour: str = ""

    def criterion(self) -> Any:
        """Criterion on Hit, apart from the first contact."""
        version = [Hit.version_id == self.version] if self.version is not None else []
        return self.chosen.criterion(Hit), *version

    def between(self, first: dt.date, last: dt.date) -> Asked:
        """The same of other hit dates."""
        return Asked(
            self.chosen.but(first=first, last=last), self.version, self.channel, self.template, self.hour
        )


@dataclass(frozen=True)
class Figures:
    """How many hits reached each stage, and what was spent on them (yuan).

    ``sms`` and ``calls`` are the messages and calls that went out, several for a hit perhaps.
    """

    hit: int = 0
    pushed: int = 0
    contacted: int = 0
    answered: int = 0
    converted: int = 0
    sms: int = 0
    calls: int = 0
    cost_sms: Decimal = Decimal(0)
    cost_call: Decimal = Decimal(0)

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def reached(self, stage: Stage) -> int:
        """How many hits reached a stage."""
        return int(getattr(self, stage))

    @property
    def cost(self) -> Decimal:
        """What all contacts cost."""
        return self.cost_sms + self.cost_call

    @property
    def rate(self) -> float | None:
        """The share of hits that converted; None without hits."""
        return self.converted / self.hit if self.hit else None

    @property
    def cost_per_contacted(self) -> Decimal | None:
        """What a contacted hit cost."""
        return self.cost / self.contacted if self.contacted else None

    @property
    def cost_per_conversion(self) -> Decimal | None:
        """What a conversion cost; None without any."""
        return self.cost / self.converted if self.converted else None


Parts = dict[str, Figures]


@dataclass
class Funnel:
    """The figures in all and, for each of DIMENSIONS, of each part by the list filter's value."""

    total: Figures = field(default_factory=Figures)
    by: dict[str, Parts] = field(default_factory=lambda: {name: {} for name in DIMENSIONS})

    def add(self, dimension: str, key: str, figures: Figures) -> None:
        """Count figures for a part, and in all once."""
        parts = self.by[dimension]
        parts[key] = parts.get(key, Figures()) + figures
        if dimension == "grade":
            self.total = self.total + figures


def funnel(asked: Asked) -> Funnel:
    """The whole funnel."""
    found = Funnel()
    for _done, part in counting(asked):
        found = part
    return found


def counting(asked: Asked) -> Iterator[tuple[float, Funnel]]:
    """The funnel while it is counted: what share of it is done (0 to 1), and the funnel so far.

    The last one is whole; without any hit there is none.
    """
    found = Funnel()
    branches = BranchParts(asked.chosen.person, asked.chosen.branch)
    for done, first, last in _slices(asked.chosen):
        _count(asked.between(first, last), branches, found)
        yield done, found


def _slices(chosen: Chosen) -> Iterator[tuple[float, dt.date, dt.date]]:
    """First and last date of slices of about SLICE hits, with the share of hits up to their end."""
    found = sorted(counts.count(chosen, ("hit_date",)).items())
    per_day: Mapping[Any, int] = {day: n for (day,), n in found}
    total, so_far, first, held = sum(per_day.values()), 0, None, 0
    for day, n in per_day.items():
        first, held, so_far = first or day, held + n, so_far + n
        if held >= SLICE or so_far == total:
            yield so_far / total, first, day
            first, held = None, 0


def _count(asked: Asked, branches: BranchParts, into: Funnel) -> None:
    db.session.execute(_MEMORY)
    for row in db.session.execute(_query(asked)):
        *keys, sets = row[: len(DIMENSIONS) + 1]
        # A bit for each dimension, the first one highest, that is 0 only in the set of the dimension itself.
        place = next(n for n in range(len(DIMENSIONS)) if not sets >> (len(DIMENSIONS) - 1 - n) & 1)
        dimension = DIMENSIONS[place]
        into.add(dimension, _key(dimension, keys[place], branches), Figures(*row[len(DIMENSIONS) + 1 :]))


def _key(dimension: str, value: Any, branches: BranchParts) -> str:
    if dimension == "branch":
        return branches.part_of(value)
    if dimension == "hour" and value is not None:
        return str(next(first for first, last in BANDS if first <= value < last))
    return NONE if value in (None, "") else str(value)


def _query(asked: Asked) -> Any:
    """A row for each part of each dimension: keys, which dimension it is, figures."""
    hits = (
        select(
            Hit.id,
            Hit.version_id,
            Hit.grade,
            Hit.source,
            Hit.branch_id,
            (Hit.status == HitStatus.CONVERTED).label("converted"),
            reach.pushed(Hit.id).label("pushed"),
        )
        .where(reach.countable(), *asked.criterion())
        .cte("hits")
    )
    met = _contacts(hits)
    facts = select(hits, *(each for each in met.c if each.key != "hit_id")).select_from(
        hits.outerjoin(met, met.c.hit_id == hits.c.id)
    )
    facts = facts.where(*_first_contact(asked, met.c))
    fact = facts.subquery().c
    keys = [fact.version_id, fact.grade, fact.source, fact.branch_id, fact.channel, fact.template, fact.hour]
    return select(*keys, func.grouping(*keys), *_figures(fact)).group_by(
        func.grouping_sets(*(tuple_(key) for key in keys))
    )


def _contacts(hits: Any) -> Any:
    """What is known of the contacts of each of the hits that had any."""
    touch = reach.touches().subquery()
    order = reach.in_order(touch.c)

    def first(column: Any, kind: Any) -> Any:
        each = func.array_agg(aggregate_order_by(column, *order), type_=ARRAY(kind))
        return each.filter(touch.c.reached)[1]

    def spent(channel: str) -> Any:
        return func.sum(touch.c.cost).filter(touch.c.channel == channel)

    at = first(touch.c.at, DateTime(timezone=True))
    return (
        select(
            touch.c.hit_id,
            first(touch.c.channel, String).label("channel"),
            first(touch.c.version_id, Integer).label("template"),
            reach.local_hour(at).label("hour"),
            func.bool_or(touch.c.reached).label("contacted"),
            func.bool_or(touch.c.answered).label("answered"),
            func.count().filter(touch.c.channel == "sms").label("sms"),
            func.count().filter(touch.c.channel == "call").label("calls"),
            spent("sms").label("cost_sms"),
            spent("call").label("cost_call"),
        )
        .where(touch.c.hit_id.in_(select(hits.c.id)))
        .group_by(touch.c.hit_id)
        .subquery()
    )


def _first_contact(asked: Asked, met: Any) -> list[Any]:
    found: list[Any] = []
    if asked.channel:
        found.append(met.channel.is_not_distinct_from(reach.checked_channel(asked.channel)))
    if asked.template:
        found.append(met.template.is_not_distinct_from(reach.checked_id(asked.template)))
    if asked.hour:
        band = reach.checked_band(asked.hour)
        found.append(met.hour.is_(None) if band is None else met.hour.between(band[0], band[1] - 1))
    return found


def _figures(fact: Any) -> list[Any]:
    """The columns of Figures, in their order."""
    answered = or_(fact.converted, fact.answered)
    contacted = or_(answered, fact.contacted)
    return [
        func.count(),
        func.count().filter(or_(contacted, fact.pushed)),
        func.count().filter(contacted),
        func.count().filter(answered),
        func.count().filter(fact.converted),
        *(func.coalesce(func.sum(each), 0) for each in (fact.sms, fact.calls, fact.cost_sms, fact.cost_call)),
    ]
