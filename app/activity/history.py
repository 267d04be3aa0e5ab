"""Evaluation of a rule as of many dates and for several thresholds of a condition, in one pass."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

import ibis
import pyarrow as pa

from app.activity import conditions, operators
from app.activity.errors import ActivityError
from app.activity.query import lead_activity, lead_table
from app.activity.settings import EngineSettings
from app.activity.spec import RuleSpec
from app.activity.store import Snapshot


@dataclass(frozen=True)
class Sweep:
    """The condition of index `condition`, evaluated for each of `thresholds` instead of its own value."""

    condition: int
    thresholds: tuple[int, ...]


def values_by_date(
    snapshot: Snapshot,
    spec: RuleSpec,
    dates: Sequence[date],
    sweep: Sweep,
    *,
    among: pa.Table | None = None,
    settings: EngineSettings | None = None,
) -> pa.Table:
    """Return the leads that meet the rule for any threshold as of any of the ascending dates, in order.

    The columns are `lead` and, for each index d of `dates`, `value_d` and `rest_d`. `value_d` is the swept
    condition's value, null without any event in the rule's widest window. `rest_d` tells whether the other
    conditions hold, as the rule joins them. `among` and the exceptions are as in `query.evaluate`, with an
    ActivityError for a condition that doesn't exist.
    """
    if not (0 <= sweep.condition < len(spec.conditions) and sweep.thresholds):
        raise ActivityError("there is nothing to sweep: %(sweep)s", sweep=sweep)
    with lead_activity(snapshot, spec.window_days, dates[0], dates[-1], among, settings) as activity:
        counted = conditions.values(lead_table(among is not None), spec, dates)
        is_met = [_met_at_any(counted, spec, sweep, d) for d in range(len(dates))]
        kept = counted.filter(reduce(operator.or_, is_met))
        columns: dict[str, ibis.Value] = {}
        for d in range(len(dates)):
            value = kept[f"value_{d}_{sweep.condition}"].cast("int32")
            columns[f"value_{d}"] = kept[f"seen_{d}"].ifelse(value, ibis.null("int32"))
            columns[f"rest_{d}"] = conditions.other_conditions_met(kept, spec, d, sweep.condition)
        return activity.run(kept.select("lead", **columns).order_by("lead"))


def active_leads(
    snapshot: Snapshot,
    first: date,
    last: date,
    *,
    among: pa.Table | None = None,
    settings: EngineSettings | None = None,
) -> int:
    """Return the number of leads with any event on the dates first … last.

    `among` is as in `query.evaluate`.
    """
    with lead_activity(snapshot, 1, first, last, among, settings) as activity:
        rows = lead_table(among is not None)
        return int(activity.run(rows.agg(leads=rows.lead.nunique()))["leads"][0].as_py())


def active_days(
    snapshot: Snapshot,
    first: date,
    last: date,
    *,
    among: pa.Table | None = None,
    settings: EngineSettings | None = None,
) -> pa.Table:
    """Return `lead` and `day` for each date of first … last on which a lead has any event."""
    with lead_activity(snapshot, 1, first, last, among, settings) as activity:
        rows = lead_table(among is not None)
        return activity.run(rows.select("lead", "day").distinct().order_by("lead", "day"))


def _met_at_any(counted: ibis.Table, spec: RuleSpec, sweep: Sweep, d: int) -> ibis.ir.BooleanValue:
    """Return a criterion: the rule is met for any of the thresholds as of the date of index `d`."""
    value = counted[f"value_{d}_{sweep.condition}"]
    compare = operators.REGISTRY[spec.conditions[sweep.condition].op].compare
    own = reduce(operator.or_, (compare(value, threshold) for threshold in sweep.thresholds))
    others = conditions.other_conditions_met(counted, spec, d, sweep.condition)
    join = operator.and_ if spec.match == "all" else operator.or_
    return counted[f"seen_{d}"] & join(others, own)
