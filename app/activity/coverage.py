"""Coverage: the number of leads that meet a rule as of many dates, and these leads as of the last one."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa

from app.activity import query
from app.activity.engines import Engine
from app.activity.finder import Among, Ints
from app.activity.settings import EngineSettings
from app.activity.spec import RuleSpec
from app.activity.store import Snapshot


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
    first, last = ordered[0], ordered[-1]
    with query.lead_activity(snapshot, spec.window_days, first, last, None, settings) as activity:
        yield from _count(activity, spec, ordered, among)


def _count(activity: Engine, spec: RuleSpec, dates: list[date], among: Among) -> Iterator[Coverage]:
    coverage = Coverage(dict.fromkeys(dates, 0))
    finder = activity.finder([spec], dates, [among])
    slices = finder.slices()
    coverage.total = max(len(slices), 1)
    for first, end in slices:
        [found] = finder.find(first, end)
        for day, n in zip(dates, found.met.sum(axis=0).tolist(), strict=True):
            coverage.counts[day] += n
        coverage.leads = np.concatenate([coverage.leads, found.leads[found.met[:, -1]]])
        coverage.done += 1
        yield coverage
    if not slices:
        coverage.done = 1
        yield coverage
