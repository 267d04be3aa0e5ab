"""The figures of a weekly report as they are stored: counts and codes, without texts or personal data.

They are the figures of the effect page (app/effect) for the hits of a week in one user's row scope.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select

from app.access.scope import customers_visible_to, sees_whole_bank
from app.effect import money
from app.effect.comparison import Comparison, compare
from app.effect.funnel import EffectFilters, Figures, count_funnel
from app.effect.labels import PartNames
from app.effect.means import Estimate
from app.effect.report import Return
from app.extensions import db
from app.hits import counts, due
from app.hits.by_branch import NONE, OWN
from app.hits.counts import HitFilter
from app.lib import clock
from app.lib.frames import pd
from app.lib.strict import Strict
from app.models import Approval, ApprovalStatus, Customer, HitStatus, Staff
from app.reports.weeks import WEEK, sunday_of
from app.rules import conversions
from app.rules.proportion import Interval, Share

#: dimensions of the report's tables, in order
DIMENSIONS = ("version", "grade", "source", "branch", "channel", "template")
#: weeks of the trend; the last one is the week of the report
TREND_WEEKS = 8


class StageCounts(Strict):
    """Hits that reached each stage of the funnel, the cost of their contacts in yuan, and claims.

    ``claimed`` hits were marked as converted; an outcome ``confirmed`` some of them. Older reports have
    neither.
    """

    hit: int
    pushed: int
    contacted: int
    answered: int
    converted: int
    cost: Decimal
    claimed: int = 0
    confirmed: int = 0

    @property
    def rate(self) -> float | None:
        """Share of hits that converted."""
        return self.converted / self.hit if self.hit else None

    @property
    def cost_per_conversion(self) -> Decimal | None:
        """Cost of one conversion."""
        return self.cost / self.converted if self.converted else None


class Part(Strict):
    """A part of a dimension: its key on the effect page, and its name if the bank gave it one."""

    key: str
    name: str = ""
    steps: StageCounts


class HoldoutCounts(Strict):
    """The total comparison with the holdout group (app/effect/comparison.py): conversions and customers."""

    marketed: tuple[int, int]
    held_out: tuple[int, int]
    difference: float | None
    interval: tuple[float, float] | None

    def comparison(self) -> Comparison:
        """Return the comparison as the effect page uses it."""
        interval = None if self.interval is None else Interval(*self.interval)
        return Comparison(None, Share(*self.marketed), Share(*self.held_out), self.difference, interval)


class WeekCounts(Strict):
    """The hits dated in one week, and those of them converted so far."""

    week: str
    hits: int
    converted: int


class Backlog(Strict):
    """Open work when the report was created; ``approvals`` only for the whole bank."""

    unclaimed: int
    overdue: int
    escalated: int
    approvals: int | None


class MoneyPart(Strict):
    """A part of the hits in money (app/effect/money.py), with its key and name as those of Part.

    ``caused`` is the margin that marketing caused with its interval, and the cost of that; None without a
    holdout group, and of people who were contacted.
    """

    key: str
    name: str = ""
    people: int
    converted: int
    amount: float
    margin: float
    cost: float
    caused: tuple[float, float, float, float] | None = None
    without_holdout: int = 0
    large: int = 0

    def part(self) -> money.Part:
        """Return the figures as the effect page uses them."""
        figures = (self.people, self.converted, self.amount, self.margin, self.cost)
        if self.caused is None:
            return money.Part(*figures, without_holdout=self.without_holdout)
        value, low, high, cost = self.caused
        brought = Return(Estimate(value, Interval(low, high)), cost)
        return money.Part(*figures, brought, self.without_holdout, self.large)


class Content(Strict):
    """All figures of a report. ``by_outcomes``: outcomes judged conversions, and not claims.

    ``money`` has the parts by rule, branch, template and batch, those with the largest margin first; none in
    older reports and while claims stand in. ``days`` are the conversion days.
    """

    now: StageCounts
    before: StageCounts
    parts: dict[str, list[Part]]
    held: HoldoutCounts
    trend: list[WeekCounts]
    waiting: Backlog
    by_outcomes: bool = False
    money: dict[str, list[MoneyPart]] = {}
    days: int = conversions.DEFAULT_DAYS


def make_content(week: dt.date, user: Staff) -> Content:
    """Return the current figures of a week in a user's row scope."""
    current, before = (count_funnel(_of_week(monday, user)) for monday in (week, week - WEEK))
    by_outcomes = conversions.judged_by_outcomes()
    names = _OwnNames(_of_week(week, user))
    return Content(
        now=_stage_counts(current.total),
        before=_stage_counts(before.total),
        parts={name: _parts(current.by[name], name, names) for name in DIMENSIONS},
        held=_holdout_counts(_of_week(week, user)),
        trend=_trend(week, user),
        waiting=_backlog(user),
        by_outcomes=by_outcomes,
        money=_money(_of_week(week, user), names) if by_outcomes else {},
        days=conversions.days(),
    )


def _of_week(week: dt.date, user: Staff) -> EffectFilters:
    return EffectFilters(HitFilter(user=user, first=week, last=sunday_of(week)))


def _stage_counts(figures: Figures) -> StageCounts:
    stages = {name: getattr(figures, name) for name in StageCounts.model_fields if name != "cost"}
    return StageCounts(**stages, cost=figures.cost)


def _parts(figures: dict[str, Figures], dimension: str, names: _OwnNames) -> list[Part]:
    """Return the parts by size, the largest first; grades by name."""
    by_size = sorted(figures, key=lambda key: (-figures[key].hit, key))
    keys = sorted(figures) if dimension == "grade" else by_size
    return [Part(key=key, name=names.name(dimension, key), steps=_stage_counts(figures[key])) for key in keys]


def _money(filters: EffectFilters, names: _OwnNames) -> dict[str, list[MoneyPart]]:
    rules = money.by_rule(filters)
    parts = {
        "rule": {str(rule): money.of_effects([effect]) for rule, effect in rules.items()},
        "branch": money.by_branch(filters),
        **{name: money.by_contact(filters, name) for name in money.CONTACTED},
    }
    return {
        name: [
            _money_part(key, names.name(name, key), by_key[key])
            for key in sorted(by_key, key=lambda key: (-by_key[key].margin, key))
        ]
        for name, by_key in parts.items()
    }


def _money_part(key: str, name: str, part: money.Part) -> MoneyPart:
    figures = {each: getattr(part, each) for each in ("people", "converted", "amount", "margin", "cost")}
    caused = None
    if part.brought:
        value, (low, high) = part.brought.caused.value, part.brought.caused.interval
        caused = (value, low, high, part.brought.cost)
    counted = {name: getattr(part, name) for name in ("without_holdout", "large")}
    return MoneyPart(key=key, name=name, **figures, caused=caused, **counted)


class _OwnNames:
    """Names that the bank gave to rule versions, templates, sources and branches."""

    def __init__(self, filters: EffectFilters) -> None:
        self._names = PartNames(filters)

    def name(self, dimension: str, key: str) -> str:
        """Return the name of a part; empty when its name depends on the reader's language."""
        if key == NONE or dimension == "channel":
            return ""
        return self._names.name(dimension, key.removeprefix(OWN) if dimension == "branch" else key)


def _holdout_counts(filters: EffectFilters) -> HoldoutCounts:
    total = compare(filters)[0]
    return HoldoutCounts(
        marketed=(total.marketed.part, total.marketed.whole),
        held_out=(total.held_out.part, total.held_out.whole),
        difference=total.difference,
        interval=None if total.interval is None else (total.interval.low, total.interval.high),
    )


def _trend(week: dt.date, user: Staff) -> list[WeekCounts]:
    weeks = pd.period_range(end=week, periods=TREND_WEEKS, freq="W")
    hits = HitFilter(user=user, first=weeks[0].start_time.date(), last=sunday_of(week))
    by_outcomes = conversions.judged_by_outcomes()
    counted = counts.count(hits, ("hit_date", "status", "converted")).items()
    rows = [
        (day, n, n if (converted if by_outcomes else status == HitStatus.CONVERTED) else 0)
        for (day, status, converted), n in counted
    ]
    table = pd.DataFrame(rows, columns=["hit_date", "hits", "converted"])
    by_week = table.groupby(pd.PeriodIndex(table.pop("hit_date"), freq="W")).sum()
    return [
        WeekCounts(week=f"{each.start_time:%F}", hits=total, converted=converted)
        for each, total, converted in by_week.reindex(weeks, fill_value=0).itertuples()
    ]


def _backlog(user: Staff) -> Backlog:
    def count(criterion: Any) -> int:
        query = select(func.count()).select_from(Customer).where(criterion, customers_visible_to(user))
        return db.session.scalar(query) or 0

    return Backlog(
        unclaimed=count(due.unclaimed()),
        overdue=count(due.overdue(clock.today())),
        escalated=count(due.escalated()),
        approvals=_open_approvals() if sees_whole_bank(user) else None,
    )


def _open_approvals() -> int:
    query = select(func.count()).select_from(Approval).where(Approval.status == ApprovalStatus.WAITING)
    return db.session.scalar(query) or 0
