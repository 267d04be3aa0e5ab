"""Finding the leads that meet rules as of many dates: all rules and dates in one pass over the lead activity.

Rows are filtered by the meaning of ``conditions`` and counted here, in slices of leads. One query for each
rule and date takes minutes where this takes seconds: each row is read once and looks up which filters it
passes; leads with too few rows to meet a rule are left out; each remaining row belongs to a cell (lead,
date), and a window is the difference of two running sums.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import reduce
from operator import or_
from typing import Any, NamedTuple, TypeAlias

import duckdb
import ibis
import numpy as np
import pyarrow as pa

from app.activity import conditions, engine, event_types, metrics, operators
from app.activity.cube import LEAD_ACTIVITY
from app.activity.metrics import NO_LIMIT
from app.activity.spec import Condition, RuleSpec

#: the approximate number of rows in a slice of leads, and the largest number of cells (leads × dates)
ROWS_PER_SLICE = 4_000_000
CELLS_PER_SLICE = 12_000_000
#: enough for a window of 366 dates and as many dates of evaluation
DAY_BITS = 12
HOURS = 24

Bools: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
Ints: TypeAlias = np.ndarray[Any, np.dtype[np.integer[Any]]]
#: the leads to which each date is limited, None for all
Among: TypeAlias = Mapping[date, pa.Table] | None

_FIRST = engine.parameter("first_lead", int)
_END = engine.parameter("end_lead", int)


class Met(NamedTuple):
    """The ascending leads that meet a rule as of at least one date.

    ``met`` tells by lead and date whether they do, ``values`` what each condition counted.
    """

    leads: Ints
    met: Bools
    values: list[Ints]


class _Filter(NamedTuple):
    """Which kinds of rows (type, hour and result) and which numbers of institutions pass; None if all do."""

    kinds: Bools | None
    institutions: Bools | None


class Finder:
    """Finds who meets rules as of ascending dates, in the view ``lead_activity`` of a connection."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        specs: Sequence[RuleSpec],
        dates: Sequence[date],
        among: Sequence[Among] | None = None,
    ) -> None:
        """``among`` has an entry for each rule."""
        self._connection, self._specs = connection, specs
        self._only = [_ascending(each, dates) for each in among or [None] * len(specs)]
        self._start = dates[0] - timedelta(days=max(spec.window_days for spec in specs) - 1)
        self._columns = np.array([(day - self._start).days for day in dates])
        self._width = int(self._columns[-1]) + 1
        every = list(dict.fromkeys(condition for spec in specs for condition in spec.conditions))
        self._starts = {condition: self._start_of(condition) for condition in every}
        self._keys = _Keys(connection, every)
        self._filters = _filters(connection, every, self._keys)
        self._statement = self._rows_of_a_slice(every)

    def slices(self) -> list[tuple[int, int]]:
        """Return ranges of lead ids that are small enough to be counted at once."""
        query_text = "SELECT min(lead), max(lead), count(*) FROM lead_activity"
        first, last, rows = self._connection.execute(query_text).fetchall()[0]
        if first is None:
            return []
        span = last - first + 1
        parts = max(-(-rows // ROWS_PER_SLICE), -(-span * self._width // CELLS_PER_SLICE), 1)
        step = -(-span // parts)
        return [(start, min(start + step, last + 1)) for start in range(first, last + 1, step)]

    def find(self, first: int, end: int) -> list[Met]:
        """Return for each rule who of the leads first … end − 1 meets it."""
        engine.tell(self._connection, first_lead=first, end_lead=end)
        table = engine.run(self._connection, self._statement)
        rows = {name: table[name].to_numpy() for name in table.column_names}
        part = _Slice(rows, end - first, self._filters, self._starts)
        return [
            self._met(part, first, spec, only) for spec, only in zip(self._specs, self._only, strict=True)
        ]

    def _start_of(self, condition: Condition) -> int:
        """Return the first date, counted from that of the widest window, in a window of the condition."""
        return int(self._columns[0]) - condition.reach_days + 1

    def _rows_of_a_slice(self, every: Sequence[Condition]) -> engine.Statement:
        """Compile the rows that a condition counts, or all if leads without such rows can meet a rule."""
        activity = ibis.table(LEAD_ACTIVITY, name="lead_activity")
        rows = activity.filter((activity.lead >= _FIRST) & (activity.lead < _END))
        is_limited = all(kinds is not None or places is not None for kinds, places in self._filters.values())
        if is_limited and not any(map(_may_hold_without_events, self._specs)):
            rows = rows.filter(reduce(or_, (conditions.matches(rows, each) for each in every)))
        summed = {c.metric for c in every if metrics.REGISTRY[c.metric].counted == "sum"}
        selected = rows.select(
            lead=(rows.lead - _FIRST).cast("int32"),
            day=rows.day.delta(ibis.literal(self._start), unit="day").cast("int32"),
            kind=_kind_of(rows),
            **{name: metrics.REGISTRY[name].column(rows) for name in sorted(summed)},
            **self._keys.columns_of(rows),
        )
        return engine.Statement(self._keys.numbered(selected))

    def _met(self, part: "_Slice", first: int, spec: RuleSpec, only: list[Ints] | None) -> Met:
        admitted = None if only is None else [_among(leads, first, part.leads) for leads in only]
        candidates = np.flatnonzero(self._candidates(part, spec, admitted))
        place = np.full(part.leads, -1, np.int32)
        place[candidates] = np.arange(len(candidates), dtype=np.int32)
        values = [self._values(part, condition, place, len(candidates)) for condition in spec.conditions]
        verdicts = [c.holds(value) for c, value in zip(spec.conditions, values, strict=True)]
        met: Bools = (np.logical_and if spec.match == "all" else np.logical_or).reduce(verdicts)
        if _may_hold_without_events(spec):
            lead, day = part.of_candidates(None, place)[:2]
            present = _per_cell(lead, day, None, len(candidates), self._width)
            met &= _in_windows(present, spec.window_days, self._columns) > 0
        for column, inside in enumerate(admitted or ()):
            met[~inside[candidates], column] = False
        found = met.any(axis=1)
        return Met(candidates[found] + first, met[found], [value[found] for value in values])

    def _candidates(self, part: "_Slice", spec: RuleSpec, admitted: list[Bools] | None) -> Bools:
        """Return which leads have enough rows in all windows together to meet the rule as of some date."""
        enough = [part.has_enough(condition) for condition in spec.conditions]
        candidates = (np.logical_and if spec.match == "all" else np.logical_or).reduce(enough)
        if admitted is not None:
            candidates = candidates & np.logical_or.reduce(admitted)
        return candidates

    def _values(self, part: "_Slice", condition: Condition, place: Ints, leads: int) -> Ints:
        """Return the condition's value for each candidate and date."""
        lead, day, inside = part.of_candidates(condition, place)
        start = self._starts[condition]
        day, width = day - start, self._width - start
        ends = [self._columns - start - ended for ended in condition.window_ends]
        metric = metrics.REGISTRY[condition.metric]
        if metric.counted == "distinct":
            key, bits = self._keys.of(condition.metric)
            number = part.rows[key][inside].astype(np.int64)
            pairs = (((lead.astype(np.int64) << bits) | number) << DAY_BITS) | day
            now, *before = _distinct(pairs, bits, condition.window_days, (leads, width), ends)
        else:
            weights = part.rows[condition.metric][inside] if metric.counted == "sum" else None
            cells = _per_cell(lead, day, weights, leads, width)
            now, *before = (_in_windows(cells, condition.window_days, each) for each in ends)
        return conditions.fell_by(now.astype(np.int64), before[0], np.where) if before else now


class _Slice:
    """The rows of some leads; filters and their sums by lead are computed once for all rules."""

    def __init__(
        self,
        rows: dict[str, Any],
        leads: int,
        filters: Mapping[Any, _Filter],
        starts: Mapping[Condition, int],
    ) -> None:
        self.rows, self.leads = rows, leads
        self._filters, self._starts = filters, starts
        self._passing: dict[Any, Any] = {}
        self._sums: dict[Any, Ints] = {}

    def has_enough(self, condition: Condition) -> Bools:
        """Return which leads have enough rows in the condition's windows together to meet it on any date."""
        if condition.holds(0):
            return np.ones(self.leads, np.bool_)
        is_sum = metrics.REGISTRY[condition.metric].counted == "sum"
        least = operators.REGISTRY[condition.op].bounds(condition.value, NO_LIMIT)[0]
        return self._sum(condition, is_sum) >= (1 if condition.against_days else least)

    def of_candidates(self, condition: Condition | None, place: Ints) -> tuple[Ints, Ints, Any]:
        """Return places of leads, dates and an index of the rows that a condition, None for any, counts.

        ``place`` is that of each lead among the candidates, -1 for others.
        """
        passing = slice(None) if condition is None else self._passes(condition)
        lead = place[self.rows["lead"][passing]]
        inside = np.flatnonzero(lead >= 0)
        rows = inside if isinstance(passing, slice) else passing[inside]
        return lead[inside], self.rows["day"][rows], rows

    def _sum(self, condition: Condition, is_sum: bool) -> Ints:
        metric = condition.metric if is_sum else None
        key = (_filter_key(condition), self._starts[condition], metric)
        if key not in self._sums:
            passing = self._passes(condition)
            weights = self.rows[condition.metric][passing] if is_sum else None
            lead = self.rows["lead"][passing]
            self._sums[key] = np.bincount(lead, weights=weights, minlength=self.leads)
        return self._sums[key]

    def _passes(self, condition: Condition) -> Any:
        """Return an index of the rows that pass the condition's filters and are in one of its windows."""
        key = (_filter_key(condition), self._starts[condition])
        if key not in self._passing:
            kinds, institutions = self._filters[key[0]]
            parts = [] if kinds is None else [kinds[self.rows["kind"]]]
            if key[1]:
                parts.append(self.rows["day"] >= key[1])
            if institutions is not None:
                parts.append(institutions[self.rows["institution"]])
            self._passing[key] = np.flatnonzero(np.logical_and.reduce(parts)) if parts else slice(None)
        return self._passing[key]


class _Keys:
    """Numbers of the institutions, and of the distinct values of metrics, in tables of the connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, every: Sequence[Condition]) -> None:
        activity = ibis.table(LEAD_ACTIVITY, name="lead_activity")
        self._columns: dict[str, Callable[[ibis.Table], ibis.Value]] = {}
        self._key_of: dict[metrics.Metric, str] = {}
        if any(c.institutions is not None for c in every):
            self._columns["institution"] = lambda rows: rows.institution
        for metric in {c.metric for c in every if metrics.REGISTRY[c.metric].counted == "distinct"}:
            column = metrics.REGISTRY[metric].column
            # The metric that counts institutions shares the key of filters.
            key = "institution" if column(activity).equals(activity.institution) else f"key_of_{metric}"
            self._key_of[metric] = key
            self._columns[key] = column
        self._values = {name: self._number(connection, activity, name) for name in self._columns}

    def _number(self, connection: duckdb.DuckDBPyConnection, activity: ibis.Table, name: str) -> pa.Table:
        distinct = activity.select(**{name: self._columns[name](activity)}).distinct()
        values = engine.run(connection, distinct)
        numbered = values.append_column("number", pa.array(np.arange(values.num_rows, dtype=np.int32)))
        connection.register(f"numbered_{name}", numbered)
        return numbered

    def of(self, metric: metrics.Metric) -> tuple[str, int]:
        """Return the name of a metric's key, and the bits of its numbers."""
        name = self._key_of[metric]
        return name, self._values[name].num_rows.bit_length()

    def columns_of(self, rows: ibis.Table) -> dict[str, ibis.Value]:
        """Return the keys of rows, by name."""
        return {name: column(rows) for name, column in self._columns.items()}

    def numbered(self, rows: ibis.Table) -> ibis.Table:
        """Replace the keys by their numbers."""
        for name, values in self._values.items():
            kind = ibis.Schema.from_pyarrow(values.schema)[name]
            numbers = ibis.table({name: kind, "number": "int32"}, name=f"numbered_{name}")
            rows = rows.inner_join(numbers, name).drop(name).rename({name: "number"})
        return rows


def _filter_key(condition: Condition) -> Condition:
    """Return a condition that is equal for all that have the same filters."""
    return replace(condition, metric="calls", op=">=", value=0, window_days=1, against_days=None)


def _filters(
    connection: duckdb.DuckDBPyConnection, every: Sequence[Condition], keys: "_Keys"
) -> dict[Condition, _Filter]:
    """Return which rows pass the filters of conditions, as ``conditions.matches`` tells."""
    alike = list(dict.fromkeys(map(_filter_key, every)))
    schema = {name: LEAD_ACTIVITY[name] for name in ("type", "hour", "ok")}
    connection.register("kinds", _all_kinds())
    by_kind = _matching(connection, "kinds", schema, [replace(each, institutions=None) for each in alike])
    named = list(dict.fromkeys(each.institutions for each in alike if each.institutions is not None))
    of_places = [Condition("calls", ">=", 0, 1, institutions=each) for each in named]
    tables = _matching(connection, "numbered_institution", {"institution": "string"}, of_places)
    by_place = dict(zip(named, tables, strict=True))
    return {
        each: _Filter(None if kinds.all() else kinds, by_place.get(each.institutions))  # type: ignore[arg-type]
        for each, kinds in zip(alike, by_kind, strict=True)
    }


def _matching(
    connection: duckdb.DuckDBPyConnection, name: str, schema: dict[str, Any], wanted: Sequence[Condition]
) -> list[Bools]:
    """Return for each condition which rows of a table match it, in the order of the column ``number``."""
    if not wanted:
        return []
    rows = ibis.table({**schema, "number": "int32"}, name=name)
    matches = {f"in_{n}": conditions.matches(rows, each) for n, each in enumerate(wanted)}
    table = engine.run(connection, rows.select("number", **matches).order_by("number"))
    return [table[each].to_numpy() for each in matches]


def _all_kinds() -> pa.Table:
    """Return every type, hour and result with its number."""
    types = max(entry.number for entry in event_types.REGISTRY.values()) + 1
    numbers = np.arange(types * HOURS * 2)
    columns = {"type": numbers // 2 // HOURS, "hour": numbers // 2 % HOURS, "ok": numbers % 2 == 1}
    kinds = {"type": pa.uint8(), "hour": pa.uint8(), "ok": pa.bool_()}
    table = {name: pa.array(values).cast(kinds[name]) for name, values in columns.items()}
    return pa.table({**table, "number": pa.array(numbers.astype(np.int32))})


def _kind_of(rows: ibis.Table) -> ibis.Value:
    """Return the number of a row's type, hour and result in ``_all_kinds``."""
    number = (rows.type.cast("int32") * HOURS + rows.hour.cast("int32")) * 2 + rows.ok.cast("int32")
    return number.cast("int16")


def _may_hold_without_events(spec: RuleSpec) -> bool:
    """Return whether a lead can meet the rule without an event that a condition counts."""
    free = [condition.holds(0) for condition in spec.conditions]
    return bool(all(free) if spec.match == "all" else any(free))


def _ascending(among: Among, dates: Sequence[date]) -> list[Ints] | None:
    """Return the ascending ids of each date. Dates mostly share one table."""
    if among is None:
        return None
    tables = [among[day] for day in dates]
    ids = {id(table): np.sort(table["lead"].to_numpy()) for table in tables}
    return [ids[id(table)] for table in tables]


def _among(only: Ints, first: int, leads: int) -> Bools:
    """Return which of the leads from ``first`` on are in the ascending ``only``."""
    inside = only[np.searchsorted(only, first) : np.searchsorted(only, first + leads)]
    is_included = np.zeros(leads, np.bool_)
    is_included[inside - first] = True
    return is_included


def _in_windows(cells: Ints, window_days: int, columns: Ints) -> Ints:
    """Return the sums of cells over the window that ends with each of the columns."""
    running = np.zeros((cells.shape[0], cells.shape[1] + 1), cells.dtype)
    np.cumsum(cells, axis=1, out=running[:, 1:])
    ends = columns + 1
    return running[:, ends] - running[:, np.maximum(ends - window_days, 0)]


def _distinct(
    pairs: Ints, bits: int, window_days: int, shape: tuple[int, int], ends: Sequence[Ints]
) -> list[Ints]:
    """Return the numbers of distinct values in the windows that end with the columns, for each of `ends`.

    Each value counts until its next date or the window's end. ``pairs`` combine lead, number (of ``bits``)
    and date, so that they sort in this order; ``shape`` are the numbers of leads and dates.
    """
    leads, width = shape
    pairs.sort()
    owner, day = pairs >> DAY_BITS, pairs & ((1 << DAY_BITS) - 1)
    until = np.minimum(day + window_days, width)
    until[:-1] = np.where(owner[1:] == owner[:-1], np.minimum(until[:-1], day[1:]), until[:-1])
    row = (owner >> bits) * (width + 1)
    size = leads * (width + 1)
    change = np.bincount(row + day, minlength=size).astype(np.int32)
    change -= np.bincount(row + until, minlength=size).astype(np.int32)
    present: Ints = np.cumsum(change.reshape(leads, width + 1), axis=1)
    return [present[:, columns] for columns in ends]


def _per_cell(lead: Ints, day: Ints, weights: Ints | None, leads: int, width: int) -> Ints:
    """Return the sum of weights for each lead and calendar date; without weights, 1 where a row exists."""
    cell = lead.astype(np.int64) * width + day
    summed = np.bincount(cell, weights=weights, minlength=leads * width)
    cells = summed.astype(np.int32) if weights is not None else (summed > 0).astype(np.int32)
    return cells.reshape(leads, width)
