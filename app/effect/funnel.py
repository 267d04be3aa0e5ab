"""The funnel of hits, in total and broken down, with the cost of contacts (stages: reach.py).

Hits are counted in slices of hit dates, so that progress can be shown; the slices add up.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, DateTime, Integer, String, func, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.effect import reach
from app.effect.reach import HOUR_BANDS, Stage
from app.extensions import db
from app.hits import counts
from app.hits.by_branch import NONE, BranchParts
from app.hits.counts import HitFilter
from app.models import Hit
from app.rules import conversions

#: the dimensions by which the funnel is broken down
DIMENSIONS = ("version", "grade", "source", "branch", "channel", "template", "hour")
#: about the number of hits counted at a time
HITS_PER_SLICE = 250_000
#: enough to sort and hash the contacts of a slice in memory
_MEMORY = text("SET LOCAL work_mem = '64MB'")


@dataclass(frozen=True)
class EffectFilters:
    """The hits that the figures cover.

    ``hits`` filters by row scope, hit date, rule, grade, source and branch; ``version`` is the id of a rule
    version. ``channel``, ``template`` and ``hour`` filter by first contact as ``reach.first_contact`` does.
    """

    hits: HitFilter
    version: int | None = None
    channel: str = ""
    template: str = ""
    hour: str = ""

    def criterion(self) -> Any:
        """Return the criteria on Hit, without those on the first contact."""
        version = [Hit.version_id == self.version] if self.version is not None else []
        return self.hits.criterion(Hit), *version

    def between(self, first: dt.date, last: dt.date) -> EffectFilters:
        """Return a copy for other hit dates."""
        return replace(self, hits=self.hits.but(first=first, last=last))


@dataclass(frozen=True)
class Figures:
    """The number of hits that reached each stage, and the cost of their contacts in yuan.

    ``sms`` and ``calls`` count the messages and calls sent; a hit may have several. ``claimed`` counts the
    hits that somebody marked as converted, ``confirmed`` those of them that an outcome confirms.
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
    claimed: int = 0
    confirmed: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def reached(self, stage: Stage) -> int:
        """Return the number of hits that reached a stage."""
        return int(getattr(self, stage))

    @property
    def cost(self) -> Decimal:
        """Cost of all contacts."""
        return self.cost_sms + self.cost_call

    @property
    def rate(self) -> float | None:
        """Share of hits that converted; None without hits."""
        return self.converted / self.hit if self.hit else None

    @property
    def cost_per_contacted(self) -> Decimal | None:
        """Cost per contacted hit; None without any."""
        return self.cost / self.contacted if self.contacted else None

    @property
    def cost_per_conversion(self) -> Decimal | None:
        """Cost per conversion; None without any."""
        return self.cost / self.converted if self.converted else None


@dataclass
class Funnel:
    """The total figures and, for each of DIMENSIONS, the figures by filter value of the hit list."""

    total: Figures = field(default_factory=Figures)
    by: dict[str, dict[str, Figures]] = field(default_factory=lambda: {name: {} for name in DIMENSIONS})

    def add(self, dimension: str, key: str, figures: Figures) -> None:
        """Add figures to a part. The parts of one dimension, the grades, also add up to the total."""
        parts = self.by[dimension]
        parts[key] = parts.get(key, Figures()) + figures
        if dimension == "grade":
            self.total = self.total + figures


def count_funnel(filters: EffectFilters) -> Funnel:
    """Return the complete funnel."""
    funnel = Funnel()
    for _done, so_far in count_in_slices(filters):
        funnel = so_far
    return funnel


def count_in_slices(filters: EffectFilters) -> Iterator[tuple[float, Funnel]]:
    """Yield the share that is done (0 to 1) and the funnel so far; nothing when there is no hit."""
    funnel = Funnel()
    branches = BranchParts(filters.hits.user, filters.hits.branch)
    for done, first, last in _slices(filters.hits):
        _add_slice(filters.between(first, last), branches, funnel)
        yield done, funnel


def _slices(hits: HitFilter) -> Iterator[tuple[float, dt.date, dt.date]]:
    """Yield slices of about HITS_PER_SLICE hits: the share of hits up to their end, first and last date."""
    by_date = sorted(counts.count(hits, ("hit_date",)).items())
    per_day: Mapping[Any, int] = {day: n for (day,), n in by_date}
    total, so_far, first, in_slice = sum(per_day.values()), 0, None, 0
    for day, n in per_day.items():
        first, in_slice, so_far = first or day, in_slice + n, so_far + n
        if in_slice >= HITS_PER_SLICE or so_far == total:
            yield so_far / total, first, day
            first, in_slice = None, 0


def _add_slice(filters: EffectFilters, branches: BranchParts, funnel: Funnel) -> None:
    db.session.execute(_MEMORY)
    for row in db.session.execute(_query(filters)):
        *keys, grouping = row[: len(DIMENSIONS) + 1]
        # GROUPING has a bit for each dimension, the first one highest, which is 0 in the dimension's own set.
        index = next(n for n in range(len(DIMENSIONS)) if not grouping >> (len(DIMENSIONS) - 1 - n) & 1)
        dimension = DIMENSIONS[index]
        figures = Figures(*row[len(DIMENSIONS) + 1 :])
        funnel.add(dimension, _key(dimension, keys[index], branches), figures)


def _key(dimension: str, value: Any, branches: BranchParts) -> str:
    """Return the filter value of the hit list for a part."""
    if dimension == "branch":
        return branches.part_of(value)
    if dimension == "hour" and value is not None:
        return str(next(first for first, last in HOUR_BANDS if first <= value < last))
    return NONE if value in (None, "") else str(value)


def _query(filters: EffectFilters) -> Any:
    """Return a query with a row for each part of each dimension: keys, grouping bits, figures."""
    hits = (
        select(
            Hit.id,
            Hit.version_id,
            Hit.grade,
            Hit.source,
            Hit.branch_id,
            conversions.claimed().label("claimed"),
            conversions.converted().label("converted"),
            reach.pushed(Hit.id).label("pushed"),
        )
        .where(reach.countable(), *filters.criterion())
        .cte("hits")
    )
    contacts = _contacts(hits)
    facts = select(hits, *(each for each in contacts.c if each.key != "hit_id")).select_from(
        hits.outerjoin(contacts, contacts.c.hit_id == hits.c.id)
    )
    facts = facts.where(*_first_contact(filters, contacts.c))
    fact = facts.subquery().c
    keys = [fact.version_id, fact.grade, fact.source, fact.branch_id, fact.channel, fact.template, fact.hour]
    return select(*keys, func.grouping(*keys), *_figures(fact)).group_by(
        func.grouping_sets(*(tuple_(key) for key in keys))
    )


def _contacts(hits: Any) -> Any:
    """Return a subquery with a row for each hit that had contacts: the first one, results and costs."""
    touch = reach.touches().subquery()
    order = reach.contact_order(touch.c)

    def first(column: Any, kind: Any) -> Any:
        values = func.array_agg(aggregate_order_by(column, *order), type_=ARRAY(kind))
        return values.filter(touch.c.reached)[1]

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


def _first_contact(filters: EffectFilters, contact: Any) -> list[Any]:
    """Return the criteria on the first contact, given the columns of ``_contacts``."""
    criteria: list[Any] = []
    if filters.channel:
        criteria.append(contact.channel.is_not_distinct_from(reach.parse_channel(filters.channel)))
    if filters.template:
        criteria.append(contact.template.is_not_distinct_from(reach.parse_id(filters.template)))
    if filters.hour:
        band = reach.parse_hour_band(filters.hour)
        in_band = contact.hour.is_(None) if band is None else contact.hour.between(band[0], band[1] - 1)
        criteria.append(in_band)
    return criteria


def _figures(fact: Any) -> list[Any]:
    """Return the columns of Figures, in order. Who marked a conversion has contacted the customer."""
    answered = or_(fact.claimed, fact.answered)
    contacted = or_(answered, fact.contacted)
    return [
        func.count(),
        func.count().filter(or_(contacted, fact.pushed)),
        func.count().filter(contacted),
        func.count().filter(answered),
        func.count().filter(fact.converted),
        *(func.coalesce(func.sum(each), 0) for each in (fact.sms, fact.calls, fact.cost_sms, fact.cost_call)),
        func.count().filter(fact.claimed),
        func.count().filter(fact.claimed, fact.converted),
    ]
