"""Back-tests of a rule: the hits it would have made in the past, and the later conversions of these leads.

Dates are processed in order with the rule's cooldown and an empty history. A lead counts as converted when it
bought one of the rule's products (app/rules/conversions.py) from the date of one of its would-be hits to a
number of days later, both included. While claims stand in, it counts when any hit of any rule was marked on
one of the days after it. The baseline is everybody the filter admits who was active at all, counted in the
same way: converted within as many days of a date with activity.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import func, select

from app.activity import operators, store
from app.activity.metrics import NO_LIMIT
from app.errors import DomainError
from app.extensions import db
from app.leads.cube import activity_root, engine_settings, prepare, window
from app.lib.lazy import lazy
from app.models import Lead
from app.rules import conversions, lead_filter
from app.rules.backtest_tally import Outcomes, Tally
from app.rules.check import most
from app.rules.compiled import compile_rule
from app.rules.definition import RuleDef, content
from app.rules.proportion import Share
from config import Settings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from app.activity import history
    from app.rules.backtest_tally import Leads

else:
    np = lazy("numpy")
    pa = lazy("pyarrow")
    history = lazy("app.activity.history")


MAX_DAYS = 92
MAX_DAYS_AFTER = 90
#: Dates per query. Progress is reported and cancellation noticed between queries.
DATES_PER_PASS = 6
#: thresholds on the curve at most
THRESHOLDS = 12

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class BacktestPlan:
    """The dates to test, the days a conversion may take, and the condition whose threshold is varied."""

    first: dt.date
    last: dt.date
    days_after: int
    condition: int = 0

    @property
    def days(self) -> list[dt.date]:
        """The dates in order."""
        return [self.first + dt.timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def check(definition: RuleDef, plan: BacktestPlan, yesterday: dt.date, days: Sequence[dt.date]) -> None:
    """Raise DomainError for an impossible plan. ``days`` are the dates that have events."""
    if plan.first > plan.last:
        raise DomainError("The first day of the period is after the last one.")
    if len(plan.days) > MAX_DAYS:
        raise DomainError("A back-test can cover at most %(n)s days.", n=MAX_DAYS)
    if plan.last > yesterday:
        raise DomainError(
            "The period must end by %(day)s, because later days are not complete.", day=yesterday
        )
    if not any(plan.first <= day <= plan.last for day in days):
        raise DomainError("There are no call logs for these days.")
    if not 1 <= plan.days_after <= MAX_DAYS_AFTER:
        raise DomainError("The conversion window must be from 1 to %(n)s days.", n=MAX_DAYS_AFTER)
    if not 0 <= plan.condition < len(definition.conditions):
        raise DomainError("The rule has no such condition.")


def digest(definition: RuleDef) -> str:
    """Return a digest that is equal for equal definitions."""
    stated = orjson.dumps(content(definition), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(stated).hexdigest()


def thresholds(value: int, most: int = NO_LIMIT) -> tuple[int, ...]:
    """Return the thresholds to test, ascending, from 1 to about twice ``value`` and including it."""
    top = min(max(2 * value, value + 4), most)
    step = -(-top // (THRESHOLDS - 1))
    return tuple(sorted({value, *range(1, top + 1, step)}))


def run(
    settings: Settings,
    definition: RuleDef,
    active: RuleDef | None,
    plan: BacktestPlan,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Back-test a definition, and the one in force if there is one. Return the figures as JSON.

    ``progress`` is called between queries and may raise to stop. Raises DomainError when the lead filter
    names something that no longer exists.
    """
    passes = -(-len(plan.days) // DATES_PER_PASS)
    step = _Steps(progress, passes * (2 if active else 1) + 1)
    until = plan.last + dt.timedelta(days=plan.days_after)
    by_outcomes = conversions.judged_by_outcomes()
    found = conversions.dates(settings, plan.first, until, definition.products)
    outcomes = Outcomes(db.session.execute(found).tuples(), plan.days_after, same_day=by_outcomes)
    condition = definition.conditions[plan.condition]
    values = thresholds(condition.value, most(condition))
    curve = _tallies(settings, definition, plan, values, outcomes, step)
    own = curve[condition.value]
    result = {
        "by_outcomes": by_outcomes,
        "data_batch": store.snapshot(activity_root(settings)).version,
        "op": condition.op,
        "threshold": condition.value,
        "draft": _figures(own),
        "by_day": {day.isoformat(): n for day, n in own.by_day.items()},
        "curve": [{"threshold": value, **_figures(tally)} for value, tally in curve.items()],
        "base": _base(settings, definition, plan, outcomes),
    }
    step()
    if active is not None:
        value = active.conditions[0].value
        first = BacktestPlan(plan.first, plan.last, plan.days_after)
        [in_force] = _tallies(settings, active, first, (value,), outcomes, step).values()
        result["active"] = _figures(in_force)
        result["active_by_day"] = {day.isoformat(): n for day, n in in_force.by_day.items()}
    return result


def _figures(tally: Tally) -> dict[str, int]:
    return {"hits": tally.hits, "leads": tally.converted.whole, "converted": tally.converted.part}


def share(figures: dict[str, int]) -> Share:
    """Return the converted share of the leads in a part of the result."""
    return Share(figures["converted"], figures["leads"])


class _Steps:
    """Progress counter of the queries."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        progress(0, total)

    def __call__(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)


def _tallies(
    settings: Settings,
    definition: RuleDef,
    plan: BacktestPlan,
    values: tuple[int, ...],
    outcomes: Outcomes,
    step: Callable[[], None],
) -> dict[int, Tally]:
    """Return the tally at each threshold of the plan's condition, from one pass over the data."""
    tallies = {value: Tally(definition.cooldown_days, outcomes) for value in values}
    compare = operators.REGISTRY[definition.conditions[plan.condition].op].compare
    for day, leads, actual, rest in _by_date(settings, definition, plan, values, step):
        for value, tally in tallies.items():
            holds = compare(actual, value)
            met = rest & holds if definition.match == "all" else rest | holds
            tally.take(day, leads[met])
    return tallies


def _by_date(
    settings: Settings,
    definition: RuleDef,
    plan: BacktestPlan,
    values: tuple[int, ...],
    step: Callable[[], None],
) -> Iterator[tuple[dt.date, Leads, Any, Any]]:
    """Yield for each date the leads, their values of the condition, and whether the other ones hold."""
    spec = compile_rule(definition)
    state = _prepared(settings, plan, spec.window_days)
    for start in range(0, len(plan.days), DATES_PER_PASS):
        part = plan.days[start : start + DATES_PER_PASS]
        admitted = lead_filter.leads_by_day(definition.lead_filter, settings, part)
        among = _on_any(admitted)
        table = history.values_by_date(
            state,
            spec,
            part,
            history.Sweep(plan.condition, values),
            among=among,
            settings=engine_settings(settings),
        )
        leads = table["lead"].to_numpy()
        for d, day in enumerate(part):
            present = table[f"value_{d}"].is_valid().to_numpy()
            if admitted is not None and admitted[day] is not among:
                present = present & np.isin(leads, admitted[day]["lead"].to_numpy())
            actual = table[f"value_{d}"].fill_null(0).to_numpy()
            yield day, leads[present], actual[present], table[f"rest_{d}"].to_numpy()[present]
        step()


def _on_any(by_day: Mapping[dt.date, pa.Table] | None) -> pa.Table | None:
    """Return the leads that are admitted on at least one of the dates."""
    if by_day is None:
        return None
    [first, *others] = {id(table): table for table in by_day.values()}.values()
    if not others:
        return first
    ids = np.unique(np.concatenate([table["lead"].to_numpy() for table in (first, *others)]))
    return pa.table({"lead": pa.array(ids)})


def _base(settings: Settings, definition: RuleDef, plan: BacktestPlan, outcomes: Outcomes) -> dict[str, int]:
    """Count the leads the filter admits, those who were active, and those of them who converted in time.

    With facts in it, the filter is that of the last date.
    """
    state = _prepared(settings, plan, 1)
    among = lead_filter.leads(definition.lead_filter, settings, plan.last)
    options = {"settings": engine_settings(settings)}
    active = history.active_leads(state, plan.first, plan.last, among=among, **options)
    admitted = outcomes.leads if among is None else np.intersect1d(outcomes.leads, among["lead"].to_numpy())
    converting = pa.table({"lead": pa.array(admitted)})
    days = history.active_days(state, plan.first, plan.last, among=converting, **options)
    by_day = days.to_pandas().groupby("day").lead
    won = {lead for day, leads in by_day for lead in np.intersect1d(leads, outcomes.after(day))}
    everybody = among.num_rows if among is not None else _live_leads()
    return {"everybody": everybody, "leads": active, "converted": len(won)}


def _live_leads() -> int:
    return db.session.scalar(select(func.count()).select_from(Lead).where(Lead.deleted_at.is_(None))) or 0


def _prepared(settings: Settings, plan: BacktestPlan, width: int) -> store.Snapshot:
    earliest = window(plan.first, width)[0]
    days = [earliest + dt.timedelta(days=n) for n in range((plan.last - earliest).days + 1)]
    return prepare(settings, days)
