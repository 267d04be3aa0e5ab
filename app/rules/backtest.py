"""A rule tried on the past: the hits it would have made, and what became of the leads it would have caught.

Dates are taken in order with the rule's cooldown and an empty history. A lead counts as converted when it
converted within a number of days after one of its would-be hits, by whatever hit of whatever rule. The
comparison is with everybody the filter admits who was active at all, counted in the same way: converted
within as many days after a date with activity.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Sequence
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
from app.rules import lead_filter
from app.rules.backtest_tally import Outcomes, Tally
from app.rules.check import most
from app.rules.conversions import converted
from app.rules.definition import RuleDef
from app.rules.evaluate import compile_rule
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
#: As many dates as one query looks at: progress and cancellation come between queries.
DATES_PER_PASS = 6
#: how many thresholds the curve tries at most
THRESHOLDS = 12

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Trial:
    """What to try: the dates, how long a conversion may take, and which condition's threshold to vary."""

    first: dt.date
    last: dt.date
    days_after: int
    condition: int = 0

    @property
    def days(self) -> list[dt.date]:
        """The dates in order."""
        return [self.first + dt.timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def check(definition: RuleDef, trial: Trial, yesterday: dt.date, days: Sequence[dt.date]) -> None:
    """Raise DomainError for a trial that can't be made; ``days`` are the dates that have events."""
    if trial.first > trial.last:
        raise DomainError("The first day of the period is after the last one.")
    if len(trial.days) > MAX_DAYS:
        raise DomainError("A back-test looks at %(n)s days at most.", n=MAX_DAYS)
    if trial.last > yesterday:
        raise DomainError(
            "The period ends on %(day)s at the latest: later days are not complete.", day=yesterday
        )
    if not any(trial.first <= day <= trial.last for day in days):
        raise DomainError("There is no call log of these days.")
    if not 1 <= trial.days_after <= MAX_DAYS_AFTER:
        raise DomainError("A conversion may take from 1 to %(n)s days.", n=MAX_DAYS_AFTER)
    if not 0 <= trial.condition < len(definition.conditions):
        raise DomainError("The rule has no such condition.")


def digest(definition: RuleDef) -> str:
    """A name of what a definition says: equal digests mean equal definitions."""
    said = orjson.dumps(definition.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(said).hexdigest()


def thresholds(value: int, most: int = NO_LIMIT) -> tuple[int, ...]:
    """What to try instead of ``value``, ascending: from 1 to about twice as much, ``value`` among it."""
    top = min(max(2 * value, value + 4), most)
    step = -(-top // (THRESHOLDS - 1))
    return tuple(sorted({value, *range(1, top + 1, step)}))


def run(
    settings: Settings,
    definition: RuleDef,
    active: RuleDef | None,
    trial: Trial,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Make the trial of a definition beside the one in force, if there is one; the figures as JSON.

    ``progress`` is called between queries and may raise to stop. Raises DomainError for a lead filter that
    names what is gone.
    """
    passes = -(-len(trial.days) // DATES_PER_PASS)
    step = _Steps(progress, passes * (2 if active else 1) + 1)
    until = trial.last + dt.timedelta(days=trial.days_after)
    conversions = db.session.execute(converted(settings, trial.first, until)).tuples()
    outcomes = Outcomes(conversions, trial.days_after)
    condition = definition.conditions[trial.condition]
    tried = thresholds(condition.value, most(condition))
    curve = _tallies(settings, definition, trial, tried, outcomes, step)
    own = curve[condition.value]
    result = {
        "data_batch": store.snapshot(activity_root(settings)).version,
        "op": condition.op,
        "threshold": condition.value,
        "draft": _figures(own),
        "by_day": {day.isoformat(): n for day, n in own.by_day.items()},
        "curve": [{"threshold": value, **_figures(tally)} for value, tally in curve.items()],
        "base": _base(settings, definition, trial, outcomes),
    }
    step()
    if active is not None:
        value = active.conditions[0].value
        first = Trial(trial.first, trial.last, trial.days_after)
        [in_force] = _tallies(settings, active, first, (value,), outcomes, step).values()
        result["active"] = _figures(in_force)
        result["active_by_day"] = {day.isoformat(): n for day, n in in_force.by_day.items()}
    return result


def _figures(tally: Tally) -> dict[str, int]:
    return {"hits": tally.hits, "leads": tally.converted.whole, "converted": tally.converted.part}


def share(figures: dict[str, int]) -> Share:
    """The converted leads among the leads of a part of the result."""
    return Share(figures["converted"], figures["leads"])


class _Steps:
    """Counts the queries done."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        progress(0, total)

    def __call__(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)


def _tallies(
    settings: Settings,
    definition: RuleDef,
    trial: Trial,
    values: tuple[int, ...],
    outcomes: Outcomes,
    step: Callable[[], None],
) -> dict[int, Tally]:
    """The tally of the definition at each threshold of the trial's condition, from one pass over the data."""
    tallies = {value: Tally(definition.cooldown_days, outcomes) for value in values}
    compare = operators.REGISTRY[definition.conditions[trial.condition].op].compare
    for day, leads, seen, rest in _by_date(settings, definition, trial, values, step):
        for value, tally in tallies.items():
            holds = compare(seen, value)
            met = rest & holds if definition.match == "all" else rest | holds
            tally.take(day, leads[met])
    return tallies


def _by_date(
    settings: Settings,
    definition: RuleDef,
    trial: Trial,
    values: tuple[int, ...],
    step: Callable[[], None],
) -> Iterator[tuple[dt.date, Leads, Any, Any]]:
    """For each date: leads, their values of the trial's condition, and whether the other conditions hold."""
    spec = compile_rule(definition)
    state = _prepared(settings, trial, spec.window_days)
    among = lead_filter.leads(definition.lead_filter, settings)
    for start in range(0, len(trial.days), DATES_PER_PASS):
        part = trial.days[start : start + DATES_PER_PASS]
        table = history.values_by_date(
            state,
            spec,
            part,
            history.Sweep(trial.condition, values),
            among=among,
            settings=engine_settings(settings),
        )
        leads = table["lead"].to_numpy()
        for d, day in enumerate(part):
            present = table[f"value_{d}"].is_valid().to_numpy()
            seen = table[f"value_{d}"].fill_null(0).to_numpy()
            yield day, leads[present], seen[present], table[f"rest_{d}"].to_numpy()[present]
        step()


def _base(settings: Settings, definition: RuleDef, trial: Trial, outcomes: Outcomes) -> dict[str, int]:
    """Everybody the filter admits: how many, how many active, and how many of those converted in time."""
    state = _prepared(settings, trial, 1)
    among = lead_filter.leads(definition.lead_filter, settings)
    asked = {"settings": engine_settings(settings)}
    active = history.active_leads(state, trial.first, trial.last, among=among, **asked)
    admitted = outcomes.leads if among is None else np.intersect1d(outcomes.leads, among["lead"].to_numpy())
    few = pa.table({"lead": pa.array(admitted)})
    days = history.active_days(state, trial.first, trial.last, among=few, **asked)
    by_day = days.to_pandas().groupby("day").lead
    won = {lead for day, leads in by_day for lead in np.intersect1d(leads, outcomes.after(day))}
    everybody = among.num_rows if among is not None else _live_leads()
    return {"everybody": everybody, "leads": active, "converted": len(won)}


def _live_leads() -> int:
    return db.session.scalar(select(func.count()).select_from(Lead).where(Lead.deleted_at.is_(None))) or 0


def _prepared(settings: Settings, trial: Trial, width: int) -> store.Snapshot:
    earliest = window(trial.first, width)[0]
    days = [earliest + dt.timedelta(days=n) for n in range((trial.last - earliest).days + 1)]
    return prepare(settings, days)
