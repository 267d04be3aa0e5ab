"""Coverage: the number of leads that meet a rule as of many dates, and these leads as of the last one.

Rows are filtered by the expressions of ``conditions`` and counted here for all dates at once, in slices of
leads. One query or one column for each date takes minutes where this takes seconds: each matching row is read
once and belongs to a cell (lead, date), and a window is the difference of two running sums.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import reduce
from operator import or_
from typing import Any

import duckdb
import ibis
import numpy as np
import pyarrow as pa

from app.activity import conditions, engine, metrics, query
from app.activity.cube import LEAD_ACTIVITY
from app.activity.metrics import Metric
from app.activity.settings import EngineSettings
from app.activity.spec import Condition, RuleSpec
from app.activity.store import Snapshot

#: the approximate number of rows in a slice of leads, and the largest number of cells (leads × dates)
ROWS_PER_SLICE = 4_000_000
CELLS_PER_SLICE = 12_000_000
#: enough for a window of 366 dates and as many dates of evaluation
DAY_BITS = 12

Bools = np.ndarray[Any, np.dtype[np.bool_]]
Ints = np.ndarray[Any, np.dtype[np.integer[Any]]]


@dataclass
class Coverage:
    """The number of leads that meet the rule as of each date, and the ascending ids of those as of the last.

    ``done`` of ``total`` slices are counted; until the end the numbers are those of the slices so far.
    """

    counts: dict[date, int]
    leads: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    done: int = 0
    total: int = 1


def counts(
    snapshot: Snapshot,
    spec: RuleSpec,
    dates: Collection[date],
    *,
    among: Mapping[date, pa.Table] | None = None,
    settings: EngineSettings | None = None,
) -> dict[date, int]:
    """Return the exact number of leads that meet the rule as of each date, ascending.

    Arguments as in ``count``.
    """
    *_parts, newest = count(snapshot, spec, dates, among=among, settings=settings)
    return newest.counts


def count(
    snapshot: Snapshot,
    spec: RuleSpec,
    dates: Collection[date],
    *,
    among: Mapping[date, pa.Table] | None = None,
    settings: EngineSettings | None = None,
) -> Iterator[Coverage]:
    """Count slice by slice and yield the coverage so far, at least once; the last one is exact.

    ``among`` limits each date to some leads, as in ``query.evaluate``; so are the exceptions. Stop iterating
    to cancel.
    """
    ordered = sorted(set(dates))
    if not ordered:
        yield Coverage({}, done=1)
        return
    only = None if among is None else _ascending([among[day] for day in ordered])
    activity = query.lead_activity(snapshot, spec.window_days, ordered[0], ordered[-1], None, settings)
    with activity as connection:
        yield from _count(connection, spec, ordered, only)


def _count(
    connection: duckdb.DuckDBPyConnection, spec: RuleSpec, dates: list[date], only: list[Ints] | None
) -> Iterator[Coverage]:
    coverage = Coverage(dict.fromkeys(dates, 0))
    counter = _Counter(connection, spec, dates)
    slices = _slices(connection, counter.width)
    coverage.total = max(len(slices), 1)
    for first, end in slices:
        met = counter.met(first, end)
        if only is not None:
            for column, leads in enumerate(only):
                met[~_among(leads, first, end), column] = False
        for day, n in zip(dates, met.sum(axis=0).tolist(), strict=True):
            coverage.counts[day] += n
        coverage.leads = np.concatenate([coverage.leads, np.flatnonzero(met[:, -1]) + first])
        coverage.done += 1
        yield coverage
    if not slices:
        coverage.done = 1
        yield coverage


def _slices(connection: duckdb.DuckDBPyConnection, width: int) -> list[tuple[int, int]]:
    """Return ranges of lead ids that are small enough to be counted at once."""
    query_text = "SELECT min(lead), max(lead), count(*) FROM lead_activity"
    first, last, rows = connection.execute(query_text).fetchall()[0]
    if first is None:
        return []
    span = last - first + 1
    parts = max(-(-rows // ROWS_PER_SLICE), -(-span * width // CELLS_PER_SLICE), 1)
    step = -(-span // parts)
    return [(start, min(start + step, last + 1)) for start in range(first, last + 1, step)]


def _ascending(tables: Sequence[pa.Table]) -> list[Ints]:
    """Return the ascending ids of each table. Dates mostly share one."""
    ids = {id(table): np.sort(table["lead"].to_numpy()) for table in tables}
    return [ids[id(table)] for table in tables]


def _among(only: Ints, first: int, end: int) -> Bools:
    """Return which of the leads first … end − 1 are in the ascending ``only``."""
    inside = only[np.searchsorted(only, first) : np.searchsorted(only, end)]
    is_included = np.zeros(end - first, np.bool_)
    is_included[inside - first] = True
    return is_included


class _Counter:
    """Counts a rule as of many dates. Its columns are the calendar dates from ``start`` on."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, spec: RuleSpec, dates: list[date]) -> None:
        self.connection, self.spec = connection, spec
        self.start = dates[0] - timedelta(days=spec.window_days - 1)
        self.columns = np.array([(day - self.start).days for day in dates])
        self.width = int(self.columns[-1]) + 1
        entries = {condition.metric: metrics.REGISTRY[condition.metric] for condition in spec.conditions}
        self.summed = [name for name, metric in entries.items() if metric.counted == "sum"]
        self.numbered = {
            name: self._number(name) for name, metric in entries.items() if metric.counted == "distinct"
        }

    def met(self, first: int, end: int) -> Bools:
        """Return whether the rule is met for each lead of first … end − 1 and each date."""
        rows = self._rows(first, end)
        lead = rows["lead"] - first
        day = rows["place"].astype(np.int64)
        leads = end - first
        verdicts = [
            condition.holds(self._values(c, condition, rows, lead, day, leads))
            for c, condition in enumerate(self.spec.conditions)
        ]
        joined: Bools = (np.logical_and if self.spec.match == "all" else np.logical_or).reduce(verdicts)
        if self._may_hold_without_events():
            present = _per_cell(lead, day, None, leads, self.width)
            joined &= self._in_windows(present, self.spec.window_days, self.columns) > 0
        return joined

    def _number(self, metric: Metric) -> tuple[ibis.Table, int]:
        """Number the distinct values of a metric.

        Return a table of values and numbers, and the bits of a number.
        """
        activity = ibis.table(LEAD_ACTIVITY, name="lead_activity")
        distinct = activity.select(**{metric: metrics.REGISTRY[metric].column(activity)}).distinct()
        values = engine.run(self.connection, distinct)
        numbers = pa.array(np.arange(values.num_rows, dtype=np.int32))
        self.connection.register(f"numbered_{metric}", values.append_column("number", numbers))
        schema = ibis.schema({metric: distinct.schema()[metric], "number": "int32"})
        return ibis.table(schema, name=f"numbered_{metric}"), values.num_rows.bit_length()

    def _rows(self, first: int, end: int) -> dict[str, Any]:
        """Return the rows that a condition counts, or all if leads without such rows can meet the rule."""
        activity = ibis.table(LEAD_ACTIVITY, name="lead_activity")
        rows = activity.filter((activity.lead >= first) & (activity.lead < end))
        flags = {f"in_{c}": conditions.matches(rows, each) for c, each in enumerate(self.spec.conditions)}
        if not self._may_hold_without_events():
            rows = rows.filter(reduce(or_, flags.values()))
        columns = {"lead": rows.lead, "place": rows.day.delta(ibis.literal(self.start), unit="day"), **flags}
        columns["place"] = columns["place"].cast("int32")
        for metric in (*self.summed, *self.numbered):
            columns[metric] = metrics.REGISTRY[metric].column(rows)
        selected = rows.select(**columns)
        for metric, (numbers, _bits) in self.numbered.items():
            selected = selected.inner_join(numbers, metric).drop(metric).rename({metric: "number"})
        table = engine.run(self.connection, selected)
        return {name: table[name].to_numpy() for name in table.column_names}

    def _values(
        self, c: int, condition: Condition, rows: dict[str, Any], lead: Ints, day: Ints, leads: int
    ) -> Ints:
        """Return the condition's value for each lead and date."""
        inside = rows[f"in_{c}"]
        lead, day = lead[inside], day[inside]
        ends = [self.columns - ended for ended in condition.window_ends]
        if condition.metric in self.numbered:
            bits = self.numbered[condition.metric][1]
            pairs = (((lead << bits) | rows[condition.metric][inside]) << DAY_BITS) | day
            now, *before = self._distinct(pairs, bits, condition.window_days, leads, ends)
        else:
            weights = rows[condition.metric][inside] if condition.metric in self.summed else None
            cells = _per_cell(lead, day, weights, leads, self.width)
            now, *before = (self._in_windows(cells, condition.window_days, each) for each in ends)
        return conditions.fell_by(now.astype(np.int64), before[0], np.where) if before else now

    def _in_windows(self, cells: Ints, window_days: int, columns: Ints) -> Ints:
        """Return the sums of cells over the window that ends with each of the columns."""
        running = np.zeros((cells.shape[0], self.width + 1), cells.dtype)
        np.cumsum(cells, axis=1, out=running[:, 1:])
        ends = columns + 1
        return running[:, ends] - running[:, np.maximum(ends - window_days, 0)]

    def _distinct(
        self, pairs: Ints, bits: int, window_days: int, leads: int, ends: Sequence[Ints]
    ) -> list[Ints]:
        """Return the numbers of distinct values in the windows that end with the columns, for each of `ends`.

        Each value counts until its next date or the window's end. ``pairs`` combine lead, number (of
        ``bits``) and date, so that they sort in this order.
        """
        pairs.sort()
        owner, day = pairs >> DAY_BITS, pairs & ((1 << DAY_BITS) - 1)
        until = day + window_days
        same = owner[1:] == owner[:-1]
        until[:-1][same] = np.minimum(until[:-1][same], day[1:][same])
        row = (owner >> bits) * (self.width + 1)
        size = leads * (self.width + 1)
        change = np.bincount(row + day, minlength=size).astype(np.int32)
        change -= np.bincount(row + np.minimum(until, self.width), minlength=size).astype(np.int32)
        present: Ints = np.cumsum(change.reshape(leads, -1), axis=1)
        return [present[:, columns] for columns in ends]

    def _may_hold_without_events(self) -> bool:
        """Return whether a lead can meet the rule without an event that a condition counts."""
        free = [condition.holds(0) for condition in self.spec.conditions]
        return bool(all(free) if self.spec.match == "all" else any(free))


def _per_cell(lead: Ints, day: Ints, weights: Ints | None, leads: int, width: int) -> Ints:
    """Return the sum of weights for each lead and calendar date; without weights, 1 where a row exists."""
    summed = np.bincount(lead * width + day, weights=weights, minlength=leads * width)
    cells = summed.astype(np.int32) if weights is not None else (summed > 0).astype(np.int32)
    return cells.reshape(leads, width)
