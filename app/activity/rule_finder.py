"""Finding the leads that meet rules as of many dates by one query for each rule.

For engines whose rows are elsewhere: the single pass of ``finder`` needs them all in this process, this one
only those of the leads that meet a rule.
"""

from collections.abc import Sequence
from datetime import date
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pyarrow as pa

from app.activity import conditions, engine
from app.activity.cube import LEAD_ACTIVITY
from app.activity.engine import Statement
from app.activity.finder import Among, Bools, Met
from app.activity.spec import RuleSpec

if TYPE_CHECKING:
    from app.activity.engines import Engine

#: lead ids in a slice, which bounds the rows that come here at once
LEADS_PER_SLICE = 1_000_000

_FIRST = engine.parameter("first_lead", int)
_END = engine.parameter("end_lead", int)


class RuleFinder:
    """Finds who meets rules as of ascending dates, in the view ``lead_activity`` of an engine."""

    def __init__(
        self,
        on: "Engine",
        specs: Sequence[RuleSpec],
        dates: Sequence[date],
        among: Sequence[Among] | None = None,
    ) -> None:
        """``among`` has an entry for each rule."""
        self._engine, self._specs, self._dates = on, specs, dates
        self._among = among or [None] * len(specs)
        self._statements = [_met_on(spec, dates) for spec in specs]

    def slices(self) -> list[tuple[int, int]]:
        """Return ranges of lead ids."""
        activity = ibis.table(LEAD_ACTIVITY, name="lead_activity")
        [ends] = self._engine.run(
            activity.agg(first=activity.lead.min(), last=activity.lead.max())
        ).to_pylist()
        if ends["first"] is None:
            return []
        starts = range(ends["first"], ends["last"] + 1, LEADS_PER_SLICE)
        return [(start, min(start + LEADS_PER_SLICE, ends["last"] + 1)) for start in starts]

    def find(self, first: int, end: int) -> list[Met]:
        """Return for each rule who of the leads first … end − 1 meets it."""
        return [
            self._met(self._engine.run(statement, first_lead=first, end_lead=end), spec, among)
            for statement, spec, among in zip(self._statements, self._specs, self._among, strict=True)
        ]

    def _met(self, table: pa.Table, spec: RuleSpec, among: Among) -> Met:
        leads = table["lead"].to_numpy()
        met: Bools = self._by_date(table, "met_{d}", np.bool_)
        for d, day in enumerate(self._dates if among is not None else ()):
            met[:, d] &= np.isin(leads, among[day]["lead"].to_numpy())  # type: ignore[index]
        found = met.any(axis=1)
        values = [self._by_date(table, f"value_{{d}}_{c}", np.int64) for c in range(len(spec.conditions))]
        return Met(leads[found], met[found], [each[found] for each in values])

    def _by_date(self, table: pa.Table, name: str, kind: Any) -> Any:
        """Return the columns of the dates side by side."""
        columns = [table[name.format(d=d)].to_numpy() for d in range(len(self._dates))]
        return np.stack(columns, axis=1).astype(kind)


def _met_on(spec: RuleSpec, dates: Sequence[date]) -> Statement:
    """Return the leads that meet a rule as of any date, and for each date whether and by which values."""
    activity = ibis.table(LEAD_ACTIVITY, name="lead_activity")
    activity = activity.filter((activity.lead >= _FIRST) & (activity.lead < _END))
    counted = conditions.values(activity, spec, dates)
    met = counted.mutate(**{f"met_{d}": conditions.met(counted, spec, d) for d in range(len(dates))})
    columns = [f"met_{d}" for d in range(len(dates))]
    values = [f"value_{d}_{c}" for d in range(len(dates)) for c in range(len(spec.conditions))]
    found = met.filter(reduce(or_, (met[each] for each in columns)))
    return Statement(found.select("lead", *columns, *values).order_by("lead"))
