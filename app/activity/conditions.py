"""The meaning of rules, defined once as Ibis expressions over the lead activity."""

import operator
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from functools import reduce
from typing import Any, TypeAlias

import ibis

from app.activity import event_types, metrics
from app.activity.spec import Condition, RuleSpec

#: a date, or a parameter of the engine that stands for one
Day: TypeAlias = date | ibis.ir.DateValue


def in_window(activity: ibis.Table, as_of: Day, window_days: int, ended: int = 0) -> ibis.ir.BooleanValue:
    """Return a criterion: rows of the `window_days` local dates that end `ended` days before `as_of`."""
    return activity.day.between(_before(as_of, ended + window_days - 1), _before(as_of, ended))


def _before(as_of: Day, days: int) -> Day:
    if not days:
        return as_of
    # Ibis can't tell the unit of an empty timedelta.
    return as_of - (timedelta(days=days) if isinstance(as_of, date) else ibis.interval(days=days))


def matches(activity: ibis.Table, condition: Condition) -> ibis.ir.BooleanValue:
    """Return a criterion: rows that pass every filter of the condition except its windows."""
    parts = [_in_hours(activity, *condition.hours)]
    if condition.institutions is not None:
        parts.append(_one_of(activity.institution, sorted(condition.institutions)))
    if condition.event_types is not None:
        numbers = sorted(event_types.REGISTRY[name].number for name in condition.event_types)
        parts.append(_one_of(activity.type, numbers))
    if condition.result == "success":
        parts.append(activity.ok)
    return reduce(operator.and_, parts)


def counts(activity: ibis.Table, condition: Condition, as_of: Day) -> ibis.ir.BooleanValue:
    """Return a criterion: rows that the condition counts as of a date, in the window before as well."""
    windows = [in_window(activity, as_of, condition.window_days, ended) for ended in condition.window_ends]
    return matches(activity, condition) & reduce(operator.or_, windows)


def fell_by(now: Any, before: Any, either: Callable[[Any, Any, Any], Any]) -> Any:
    """Return the whole percent by which a value fell, 0 when it didn't, of Ibis columns or NumPy arrays.

    ``either`` chooses between two columns by a third one.
    """
    fell = before > now
    return either(fell, (before - now) * 100 // either(fell, before, 1), 0)


def values(activity: ibis.Table, spec: RuleSpec, dates: Sequence[Day]) -> ibis.Table:
    """Return `seen_d` for each lead and index d of `dates`, and `value_d_c` for each index c of a condition.

    `seen_d` tells whether the lead has any event in the widest window as of that date. Without one it meets
    no rule.
    """
    counted = activity.group_by("lead").agg(
        **{f"seen_{d}": in_window(activity, day, spec.window_days).any() for d, day in enumerate(dates)},
        **{
            _name(d, c, ended): metrics.REGISTRY[condition.metric]
            .column(activity)
            .sum(where=_counts_in(activity, condition, day, ended))
            for c, condition in enumerate(spec.conditions)
            if metrics.REGISTRY[condition.metric].counted == "sum"
            for d, day in enumerate(dates)
            for ended in condition.window_ends
        },
    )
    for c, condition in enumerate(spec.conditions):
        if metrics.REGISTRY[condition.metric].counted != "sum":
            distinct = _distinct(activity, condition, c, dates)
            counted = counted.left_join(distinct, "lead").drop("lead_right")
    return counted.mutate(
        **{
            f"value_{d}_{c}": _value(counted, condition, d, c)
            for d in range(len(dates))
            for c, condition in enumerate(spec.conditions)
        }
    )


def _name(d: int, c: int, ended: int) -> str:
    """Return the column of what a condition counts in the window that ended so many days before a date."""
    return f"before_{d}_{c}" if ended else f"value_{d}_{c}"


def _value(counted: ibis.Table, condition: Condition, d: int, c: int) -> ibis.Value:
    now, *before = (counted[_name(d, c, ended)].fill_null(0) for ended in condition.window_ends)
    return fell_by(now, before[0], ibis.ifelse).cast("int64") if before else now


def _counts_in(activity: ibis.Table, condition: Condition, as_of: Day, ended: int) -> ibis.ir.BooleanValue:
    return matches(activity, condition) & in_window(activity, as_of, condition.window_days, ended)


def met(counted: ibis.Table, spec: RuleSpec, d: int) -> ibis.ir.BooleanValue:
    """Return a criterion: a row of `values` meets the rule as of the date of index `d`."""
    return counted[f"seen_{d}"] & _joined(counted, spec, d, range(len(spec.conditions)))


def other_conditions_met(counted: ibis.Table, spec: RuleSpec, d: int, excluded: int) -> ibis.ir.BooleanValue:
    """Return a criterion: the conditions except that of index `excluded` hold, as the rule joins them."""
    return _joined(counted, spec, d, [c for c in range(len(spec.conditions)) if c != excluded])


def _joined(counted: ibis.Table, spec: RuleSpec, d: int, indexes: Iterable[int]) -> ibis.ir.BooleanValue:
    verdicts = [spec.conditions[c].holds(counted[f"value_{d}_{c}"]) for c in indexes]
    join = operator.and_ if spec.match == "all" else operator.or_
    return reduce(join, verdicts) if verdicts else ibis.literal(spec.match == "all")


def evidence(activity: ibis.Table, spec: RuleSpec, as_of: Day) -> ibis.Table:
    """Return the rows that at least one condition counts as of a date, each once."""
    counted = [counts(activity, condition, as_of) for condition in spec.conditions]
    return activity.filter(reduce(operator.or_, counted))


def _in_hours(activity: ibis.Table, first: int, end: int) -> ibis.ir.BooleanValue:
    if (first, end) == (0, 24):
        return ibis.literal(True)
    if first > end:
        return (activity.hour >= first) | (activity.hour < end)
    return (activity.hour >= first) & (activity.hour < end)


def _one_of(column: ibis.ir.Value, allowed: Sequence[str] | Sequence[int]) -> ibis.ir.BooleanValue:
    return column.isin(allowed) if allowed else ibis.literal(False)


def _distinct(activity: ibis.Table, condition: Condition, c: int, dates: Sequence[Day]) -> ibis.Table:
    """Return for each lead the number of distinct values of the metric's column in each date's window.

    Counting groups of groups is exact on every engine and needs a single pass for all dates.
    """
    rows = activity.filter(matches(activity, condition))
    windows = {
        _name(d, c, ended): in_window(rows, day, condition.window_days, ended).any()
        for d, day in enumerate(dates)
        for ended in condition.window_ends
    }
    groups = rows.group_by(lead=rows.lead, key=metrics.REGISTRY[condition.metric].column(rows)).agg(**windows)
    return groups.group_by("lead").agg(**{name: groups[name].cast("int64").sum() for name in windows})
