"""The metrics of conditions: their words, how they are counted, and their limits.

Everything else derives from these entries: conditions, coverage, refusals, sentences, reasons, the rule
editor, segments, configuration files, stored rules. Words are message ids, translated where shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from app.errors import N_

Metric = Literal["calls", "institutions", "active_days"]
METRICS: tuple[Metric, ...] = get_args(Metric)
#: the largest value of a metric without a limit of its own
NO_LIMIT = 10**12


@dataclass(frozen=True)
class MetricEntry:
    """A metric over the rows of the lead activity that a condition counts.

    ``counted`` tells how its value is computed from ``column``: as the ``sum`` of an integer column, as the
    number of ``distinct`` values of a column that is never null, or as the number of ``dates`` that have a
    row.
    """

    counted: Literal["sum", "distinct", "dates"]
    #: returns the counted column of the rows, an Ibis table
    column: Callable[[Any], Any]
    #: what it counts, for docs/rules.md
    meaning: str
    #: its name in tables and fields, and its unit after a threshold
    label: str
    unit: str
    #: a condition within a sentence, with op and value
    phrase: str
    #: why a condition holds, with days, n and limit; the first one also with the institutions (places)
    reason: str
    reason_without_institutions: str
    #: returns the largest possible value for the days of the window and the number of institutions (0: all)
    maximum: Callable[[int, int], int] = lambda days, institutions: NO_LIMIT
    #: the message for a condition that requires more than ``maximum``
    above_maximum: str = ""
    #: returns the least number of institutions that a value requires
    min_institutions: Callable[[int], int] = lambda value: min(value, 1)
    #: the other metrics that are never smaller over the same rows
    upper_bounds: frozenset[Metric] = frozenset()


REGISTRY: dict[Metric, MetricEntry] = {
    "calls": MetricEntry(
        counted="sum",
        column=lambda rows: rows.n,
        meaning="events after deduplication",
        label=N_("Calls"),
        unit=N_("times"),
        phrase=N_("calls %(op)s %(value)s"),
        reason=N_("%(days)s-day window: %(n)s × active at %(places)s, threshold %(limit)s"),
        reason_without_institutions=N_("%(days)s-day window: %(n)s × active, threshold %(limit)s"),
    ),
    "institutions": MetricEntry(
        counted="distinct",
        column=lambda rows: rows.institution,
        meaning="distinct institutions",
        label=N_("Distinct institutions"),
        unit=N_("institutions"),
        phrase=N_("distinct institutions %(op)s %(value)s"),
        reason=N_("%(days)s-day window: active at %(places)s, threshold %(limit)s"),
        reason_without_institutions=N_("%(days)s-day window: %(n)s institutions, threshold %(limit)s"),
        maximum=lambda days, institutions: institutions or NO_LIMIT,
        above_maximum=N_("No lead can meet this: only %(most)s institutions are chosen."),
        min_institutions=lambda value: value,
        upper_bounds=frozenset({"calls"}),
    ),
    "active_days": MetricEntry(
        counted="dates",
        column=lambda rows: rows.day,
        meaning="distinct local dates",
        label=N_("Active days"),
        unit=N_("days"),
        phrase=N_("active days %(op)s %(value)s"),
        reason=N_("%(days)s-day window: active on %(n)s of the days at %(places)s, threshold %(limit)s"),
        reason_without_institutions=N_(
            "%(days)s-day window: active on %(n)s of the days, threshold %(limit)s"
        ),
        maximum=lambda days, institutions: days,
        above_maximum=N_(
            "No lead can meet this: a window of %(most)s days has at most %(most)s active days."
        ),
        upper_bounds=frozenset({"calls"}),
    ),
}
