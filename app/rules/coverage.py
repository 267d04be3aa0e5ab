"""Coverage of an unsaved definition: the leads it would have caught on recent days.

Nothing is written, and every function yields or returns often enough to be abandoned between two steps.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from app.activity import store
from app.activity.spec import RuleSpec
from app.leads.cube import activity_root, engine_settings, prepare, window
from app.lib.lazy import lazy
from app.rules import evidence, lead_filter
from app.rules.compiled import compile_rule, grade_of, score_of
from app.rules.definition import RuleDef
from config import Settings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from app.activity import coverage, query
    from app.activity.coverage import Coverage
    from app.activity.finder import Ints
else:
    np = lazy("numpy")
    pa = lazy("pyarrow")
    coverage = lazy("app.activity.coverage")
    query = lazy("app.activity.query")


#: Lead sets of rules in force that a process caches. A million ids take 125 kB.
REMEMBERED = 64


@dataclass(frozen=True)
class LeadSet:
    """A set of lead ids as a bit array, fast and small also for millions of ids."""

    bits: np.ndarray[Any, np.dtype[np.uint8]]

    @classmethod
    def of(cls, ids: Ints) -> LeadSet:
        """Return the set of the ids."""
        marks = np.zeros(int(ids.max()) + 1 if len(ids) else 0, np.bool_)
        marks[ids] = True
        return cls(np.packbits(marks))

    @classmethod
    def empty(cls) -> LeadSet:
        """Return the empty set."""
        return cls(np.empty(0, np.uint8))

    def __len__(self) -> int:
        return int(np.bitwise_count(self.bits).sum())

    def __and__(self, other: LeadSet) -> LeadSet:
        size = min(len(self.bits), len(other.bits))
        return LeadSet(self.bits[:size] & other.bits[:size])

    def __sub__(self, other: LeadSet) -> LeadSet:
        kept = self.bits.copy()
        size = min(len(self.bits), len(other.bits))
        kept[:size] &= ~other.bits[:size]
        return LeadSet(kept)

    def spread(self, count: int) -> list[int]:
        """Return at most ``count`` ids, spread evenly over the set and the same ones each time."""
        ids = np.flatnonzero(np.unpackbits(self.bits))
        places = np.linspace(0, len(ids) - 1, min(count, len(ids))).astype(np.int64)
        return [int(each) for each in ids[places]]


def days_with_data(settings: Settings, count: int, last: dt.date) -> list[dt.date]:
    """Return the newest ``count`` dates up to ``last`` that have events, ascending."""
    known = store.snapshot(activity_root(settings)).days
    return [day for day in sorted(known) if day <= last][-count:]


def count(settings: Settings, definition: RuleDef, days: Sequence[dt.date]) -> Iterator[Coverage]:
    """Yield the coverage of each date, refined slice by slice; the last one yielded is exact.

    A lead filter takes attributes of today, everything else as of each date. Raises DomainError
    when it names something that no longer exists.
    """
    spec = compile_rule(definition)
    state = prepare(settings, {seen for day in days for seen in window(day, spec.window_days)})
    among = lead_filter.leads_by_day(definition.lead_filter, settings, days)
    yield from coverage.count(state, spec, days, among=among, settings=engine_settings(settings))


_remembered: OrderedDict[tuple[str, int, RuleSpec, dt.date], LeadSet] = OrderedDict()
_remembering = Lock()


def leads_of(settings: Settings, definition: RuleDef, day: dt.date) -> Iterator[LeadSet | None]:
    """Yield None while searching, and finally the leads that meet the definition as of a date.

    They are cached per state of the data, without the lead filter, which is applied anew each time.
    """
    spec = compile_rule(definition)
    state = prepare(settings, window(day, spec.window_days))
    key = (str(state.root), state.version, spec, day)
    with _remembering:
        leads = _remembered.get(key)
    if leads is None:
        newest = coverage.Coverage({})
        for part in coverage.count(state, spec, [day], settings=engine_settings(settings)):
            newest = part
            yield None
        leads = LeadSet.of(newest.leads)
        with _remembering:
            _remembered[key] = leads
            while len(_remembered) > REMEMBERED:
                _remembered.popitem(last=False)
    among = lead_filter.leads(definition.lead_filter, settings, day)
    yield leads if among is None else leads & LeadSet.of(among["lead"].to_numpy())


@dataclass(frozen=True)
class Turnover:
    """A new definition compared with an old one: counts by date, and leads gained and lost on the last."""

    days: list[tuple[dt.date, int, int]]
    gained: int
    lost: int
    kept: int


def turnover(settings: Settings, old: RuleDef | None, new: RuleDef, days: Sequence[dt.date]) -> Turnover:
    """Compare two definitions exactly as of each of ``days``. Without ``old`` nobody was caught before."""
    before, was = _all_of(settings, old, days) if old else ({}, LeadSet.empty())
    after, now = _all_of(settings, new, days)
    rows = [(day, before.get(day, 0), after.get(day, 0)) for day in days]
    return Turnover(rows, len(now - was), len(was - now), len(now & was))


def _all_of(
    settings: Settings, definition: RuleDef, days: Sequence[dt.date]
) -> tuple[dict[dt.date, int], LeadSet]:
    *_earlier, newest = count(settings, definition, days)
    return newest.counts, LeadSet.of(newest.leads)


@dataclass(frozen=True)
class Caught:
    """A lead caught by the definition, with the ``evidence`` that a hit would keep."""

    lead: int
    score: float
    grade: str
    evidence: dict[str, Any]


def explain(settings: Settings, definition: RuleDef, day: dt.date, leads: Sequence[int]) -> list[Caught]:
    """Return score, grade and evidence of leads that meet the definition as of a date."""
    spec = compile_rule(definition)
    state = prepare(settings, window(day, spec.window_days))
    score = score_of(definition)
    among = pa.table({"lead": pa.array(leads, pa.int64())})
    table = query.evaluate(state, spec, day, score, among=among, settings=engine_settings(settings))
    return [
        Caught(row["lead"], row["score"], grade_of(row["score"], definition), _evidence(definition, row))
        for row in table.to_pylist()
    ]


def _evidence(definition: RuleDef, row: dict[str, Any]) -> dict[str, Any]:
    conditions = zip(definition.conditions, row["values"], row["by_condition"], strict=True)
    alone = len(definition.conditions) == 1
    return {
        "conditions": [evidence.condition(*each, alone=alone) for each in conditions],
        "institutions": row["institutions"],
    }
