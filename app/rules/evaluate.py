"""Evaluation: finding the leads that meet a rule as of a date, and storing the hits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

from app.activity.spec import RuleSpec
from app.extensions import db
from app.leads.cube import activity_root, engine_settings, prepare, window
from app.lib.lazy import lazy
from app.rules import lead_filter, storing
from app.rules.compiled import Evaluated, compile_rule
from app.rules.definition import RuleDef
from app.rules.versions import active_versions
from config import Settings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from app.activity import coverage, engines, finder, query
else:
    finder = lazy("app.activity.finder")
    np = lazy("numpy")
    pa = lazy("pyarrow")
    engines = lazy("app.activity.engines")
    coverage = lazy("app.activity.coverage")
    query = lazy("app.activity.query")


#: cells (leads × dates, by rule) that are found before their hits are stored
CELLS_AT_ONCE = 4_000_000
#: dates that are evaluated at once, and fewer where each has a list of leads of its own
DAYS_AT_ONCE, DATED_AT_ONCE = 31, 7
KINDS = ("created", "refreshed")


def evaluate_days(
    settings: Settings,
    first: dt.date,
    last: dt.date,
    *,
    code: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, dict[str, dict[str, int]]]:
    """Evaluate every active rule as of each date, in order, and create or refresh hits.

    One transaction for a rule and the leads that are found at once. Return
    ``{date: {"created": {rule: n}, "refreshed": {rule: n}}}``.
    """
    rules = [Evaluated.of(version) for version in active_versions(code)]
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    counts: storing.Counts = {
        day.isoformat(): {kind: dict.fromkeys((r.definition.code for r in rules), 0) for kind in KINDS}
        for day in days
    }
    done = 0
    with engines.opened(activity_root(settings), engine_settings(settings)) as engine:
        for some, part in _passes(rules, days):
            weight = len(some) * len(part)
            for share in _evaluate(settings, some, part, engine, counts):
                progress(done + int(weight * share), len(days) * len(rules))
            done += weight
    return counts


def _passes(
    rules: Sequence[Evaluated], days: Sequence[dt.date]
) -> Iterator[tuple[Sequence[Evaluated], Sequence[dt.date]]]:
    """Yield the rules and dates that are evaluated at once, in order.

    A rule whose lead filter asks for hits is evaluated after those before it have stored theirs of the date.
    """
    filters = [rule.definition.lead_filter for rule in rules]
    alone = [lead_filter.reads_hits(each) for each in filters]
    at_once = 1 if any(alone) else DATED_AT_ONCE if any(map(lead_filter.is_dated, filters)) else DAYS_AT_ONCE
    edges = [0, *(n for n in range(1, len(rules)) if alone[n] or alone[n - 1]), len(rules)]
    for start in range(0, len(days), at_once):
        for first, end in pairwise(edges):
            if first < end:
                yield rules[first:end], days[start : start + at_once]


def _evaluate(
    settings: Settings,
    rules: Sequence[Evaluated],
    days: Sequence[dt.date],
    engine: engines.Engine,
    counts: storing.Counts,
) -> Iterator[float]:
    """Evaluate rules as of some dates, add to the counts, and yield the share that is done."""
    width = max(rule.spec.window_days for rule in rules)
    state = prepare(settings, {seen for day in days for seen in window(day, width)})
    among = [lead_filter.leads_by_day(rule.definition.lead_filter, settings, days) for rule in rules]
    # Searching takes a while, in which no transaction is left open.
    db.session.commit()
    with (
        query.lead_activity(state, width, days[0], days[-1], engaged=engine),
        ThreadPoolExecutor(1, "engine") as ahead,
    ):
        # The engine works in a thread of its own, ahead of PostgreSQL, which takes as long.
        groups = _groups(engine, [rule.spec for rule in rules], days, among)
        waiting = ahead.submit(next, groups, None)

        def search_on() -> None:
            nonlocal waiting
            waiting = ahead.submit(next, groups, None)

        done = 0.0
        while group := waiting.result():
            upto, mets = group
            found = storing.Found(engine, state.version, rules, days, mets)
            for share in storing.store(settings, found, ahead, counts, search_on):
                yield done + (upto - done) * share
            done = upto
            yield done


def _groups(
    engine: engines.Engine,
    specs: Sequence[RuleSpec],
    days: Sequence[dt.date],
    among: Sequence[finder.Among],
) -> Iterator[tuple[float, list[finder.Met]]]:
    """Yield who meets the rules, some leads at a time, after the share of leads that was sought."""
    search = engine.finder(specs, days, among)
    slices = search.slices()
    found: list[list[finder.Met]] = []
    for n, (first, end) in enumerate(slices, 1):
        found.append(search.find(first, end))
        if n == len(slices) or sum(met.met.size for part in found for met in part) >= CELLS_AT_ONCE:
            yield n / len(slices), [_joined(mets) for mets in zip(*found, strict=True)]
            found = []


def _joined(mets: Sequence[finder.Met]) -> finder.Met:
    leads, met, values = zip(*mets, strict=True)
    columns = [np.concatenate(each) for each in zip(*values, strict=True)]
    return finder.Met(np.concatenate(leads), np.concatenate(met), columns)


def preview(settings: Settings, definition: RuleDef, first: dt.date, last: dt.date) -> dict[str, int]:
    """Return the exact number of leads that meet the definition as of each date.

    A lead filter takes attributes of today, everything else as of each date.
    """
    spec = compile_rule(definition)
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    state = prepare(settings, {seen for day in days for seen in window(day, spec.window_days)})
    among = lead_filter.leads_by_day(definition.lead_filter, settings, days)
    counts = coverage.counts(state, spec, days, among=among, settings=engine_settings(settings))
    return {day.isoformat(): counts.get(day, 0) for day in days}
