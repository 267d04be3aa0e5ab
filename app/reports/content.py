"""The figures of a weekly report, as they are kept: counts and codes, no words, nothing of any person.

They are those of the effect page (app/effect) for hits of the week's dates, in one person's row scope.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select

from app.access.scope import hits_visible_to, sees_whole_bank
from app.effect.comparison import Comparison, compare
from app.effect.funnel import Asked, Figures, funnel
from app.effect.labels import Names
from app.extensions import db
from app.hits import counts, due
from app.hits.by_branch import NONE, OWN
from app.hits.counts import Chosen
from app.lib import clock
from app.lib.frames import pd
from app.lib.strict import Strict
from app.models import Approval, ApprovalStatus, Hit, HitStatus, Staff
from app.reports.weeks import WEEK, sunday_of
from app.rules.proportion import Interval, Share

#: what the report is parted by, in its order
DIMENSIONS = ("version", "grade", "source", "branch", "channel", "template")
#: weeks of the trend, the report's own the last
TREND_WEEKS = 8


class Steps(Strict):
    """How many hits reached each stage of the funnel, and what their contacts cost (yuan)."""

    hit: int
    pushed: int
    contacted: int
    answered: int
    converted: int
    cost: Decimal

    @property
    def rate(self) -> float | None:
        """The share of hits that converted."""
        return self.converted / self.hit if self.hit else None

    @property
    def cost_per_conversion(self) -> Decimal | None:
        """What a conversion cost."""
        return self.cost / self.converted if self.converted else None


class Part(Strict):
    """One part of a dimension: its key as the effect page has it, and a name where it has one of its own."""

    key: str
    name: str = ""
    steps: Steps


class Held(Strict):
    """The comparison with the holdout groups in all (app/effect/comparison.py): converted, of how many."""

    marketed: tuple[int, int]
    held_out: tuple[int, int]
    difference: float | None
    interval: tuple[float, float] | None

    def comparison(self) -> Comparison:
        """The same as the effect page has it."""
        interval = None if self.interval is None else Interval(*self.interval)
        return Comparison(None, Share(*self.marketed), Share(*self.held_out), self.difference, interval)


class Trend(Strict):
    """One week: hits by hit date, and what became of them by now."""

    week: str
    hits: int
    converted: int


class Waiting(Strict):
    """What lay about when the report was made; ``approvals`` only for the whole bank."""

    unclaimed: int
    overdue: int
    escalated: int
    approvals: int | None


class Content(Strict):
    """Everything that a report says."""

    now: Steps
    before: Steps
    parts: dict[str, list[Part]]
    held: Held
    trend: list[Trend]
    waiting: Waiting


def content_of(week: dt.date, person: Staff) -> Content:
    """The figures of a week in a person's row scope, as they are now."""
    own, before = (funnel(_asked(first, person)) for first in (week, week - WEEK))
    names = _Names(_asked(week, person))
    return Content(
        now=_steps(own.total),
        before=_steps(before.total),
        parts={name: _parts(own.by[name], name, names) for name in DIMENSIONS},
        held=_held(_asked(week, person)),
        trend=_trend(week, person),
        waiting=_waiting(person),
    )


def _asked(week: dt.date, person: Staff) -> Asked:
    return Asked(Chosen(person=person, first=week, last=sunday_of(week)))


def _steps(figures: Figures) -> Steps:
    stages = {name: getattr(figures, name) for name in Steps.model_fields if name != "cost"}
    return Steps(**stages, cost=figures.cost)


def _parts(found: dict[str, Figures], dimension: str, names: _Names) -> list[Part]:
    """The parts, the largest first; grades in their order."""
    keys = sorted(found) if dimension == "grade" else sorted(found, key=lambda key: (-found[key].hit, key))
    return [Part(key=key, name=names.of(dimension, key), steps=_steps(found[key])) for key in keys]


class _Names:
    """What people named: rule versions, templates, branches."""

    def __init__(self, asked: Asked) -> None:
        self._names = Names(asked)

    def of(self, dimension: str, key: str) -> str:
        """The name of a part, empty for one that only a word of the interface can name."""
        if key == NONE or dimension == "channel":
            return ""
        return self._names.of(dimension, key.removeprefix(OWN) if dimension == "branch" else key)


def _held(asked: Asked) -> Held:
    found = compare(asked)[0]
    return Held(
        marketed=(found.marketed.part, found.marketed.whole),
        held_out=(found.held_out.part, found.held_out.whole),
        difference=found.difference,
        interval=None if found.interval is None else (found.interval.low, found.interval.high),
    )


def _trend(week: dt.date, person: Staff) -> list[Trend]:
    weeks = pd.period_range(end=week, periods=TREND_WEEKS, freq="W")
    chosen = Chosen(person=person, first=weeks[0].start_time.date(), last=sunday_of(week))
    by_status = counts.count(chosen, ("hit_date", "status")).items()
    rows = [(day, n, n if status == HitStatus.CONVERTED else 0) for (day, status), n in by_status]
    table = pd.DataFrame(rows, columns=["hit_date", "hits", "converted"])
    by_week = table.groupby(pd.PeriodIndex(table.pop("hit_date"), freq="W")).sum()
    return [
        Trend(week=f"{each.start_time:%F}", hits=hits, converted=converted)
        for each, hits, converted in by_week.reindex(weeks, fill_value=0).itertuples()
    ]


def _waiting(person: Staff) -> Waiting:
    def many(criterion: Any) -> int:
        query = select(func.count()).select_from(Hit).where(criterion, hits_visible_to(person))
        return db.session.scalar(query) or 0

    return Waiting(
        unclaimed=many(due.unclaimed()),
        overdue=many(due.overdue(clock.today())),
        escalated=many(due.escalated()),
        approvals=_asked_for() if sees_whole_bank(person) else None,
    )


def _asked_for() -> int:
    query = select(func.count()).select_from(Approval).where(Approval.status == ApprovalStatus.WAITING)
    return db.session.scalar(query) or 0
