"""The metrics that a condition can ask for: their words, how they are counted, what limits them.

Everything else derives from these entries: conditions and coverage, what is refused, sentences, reasons,
the rule editor, segments, rules files and stored rules. Words are message ids, translated where shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from app.errors import N_

Metric = Literal["calls", "institutions", "active_days"]
METRICS: tuple[Metric, ...] = get_args(Metric)
#: As large as the value of a metric without a limit of its own can get.
NO_LIMIT = 10**12


@dataclass(frozen=True)
class MetricEntry:
    """A metric over the rows of the lead activity that a condition counts.

    ``counted`` says how its value comes about: the ``sum`` of ``of``, an integer of each row; the number of
    ``distinct`` values of ``of``, which is never null; or the number of ``dates`` that have a row.
    """

    counted: Literal["sum", "distinct", "dates"]
    #: from the rows, an Ibis table, the column that is counted
    of: Callable[[Any], Any]
    #: what docs/rules.md says that it counts
    meaning: str
    #: what tables and boxes call it, and its unit behind a threshold
    label: str
    unit: str
    #: a condition in a sentence, with op and value
    demand: str
    #: why a condition holds, with days, n and limit; the first also with the places
    reason: str
    reason_without_places: str
    #: the largest value there can be, of the days of the window and the number of institutions named (0: all)
    most: Callable[[int, int], int] = lambda days, institutions: NO_LIMIT
    #: said of a condition that demands more than ``most``
    too_much: str = ""
    #: how many institutions it takes to get as far as a value
    places: Callable[[int], int] = lambda value: min(value, 1)
    #: the metrics besides itself that are never smaller over the same rows
    at_most: frozenset[Metric] = frozenset()


REGISTRY: dict[Metric, MetricEntry] = {
    "calls": MetricEntry(
        counted="sum",
        of=lambda rows: rows.n,
        meaning="events after deduplication",
        label=N_("Calls"),
        unit=N_("times"),
        demand=N_("calls %(op)s %(value)s"),
        reason=N_("%(days)s days: %(n)s × active at %(places)s, threshold %(limit)s"),
        reason_without_places=N_("%(days)s days: %(n)s × active, threshold %(limit)s"),
    ),
    "institutions": MetricEntry(
        counted="distinct",
        of=lambda rows: rows.institution,
        meaning="distinct institutions",
        label=N_("Distinct institutions"),
        unit=N_("institutions"),
        demand=N_("distinct institutions %(op)s %(value)s"),
        reason=N_("%(days)s days: active at %(places)s, threshold %(limit)s"),
        reason_without_places=N_("%(days)s days: %(n)s institutions, threshold %(limit)s"),
        most=lambda days, institutions: institutions or NO_LIMIT,
        too_much=N_("No lead can meet this: only %(most)s institutions are chosen."),
        places=lambda value: value,
        at_most=frozenset({"calls"}),
    ),
    "active_days": MetricEntry(
        counted="dates",
        of=lambda rows: rows.day,
        meaning="distinct local dates",
        label=N_("Active days"),
        unit=N_("days"),
        demand=N_("active days %(op)s %(value)s"),
        reason=N_("%(days)s days: on %(n)s days active at %(places)s, threshold %(limit)s"),
        reason_without_places=N_("%(days)s days: on %(n)s days active, threshold %(limit)s"),
        most=lambda days, institutions: days,
        too_much=N_("No lead can meet this: a window of %(most)s days has at most %(most)s active days."),
        at_most=frozenset({"calls"}),
    ),
}
