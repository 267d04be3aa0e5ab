"""Is a day's data all there? A day that isn't must not be evaluated in silence."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from statistics import median

from app.activity.store import Snapshot

#: A day with less than this share of a usual day's events is held.
ENOUGH = 0.5
#: How many earlier days make the usual day, and how few are too few to judge by.
LOOK_BACK_DAYS, FEWEST_DAYS = 14, 3


@dataclass(frozen=True)
class Completeness:
    """Events of the day, of a usual day (None: too little history to say), and the verdict."""

    arrived: int
    usual: int | None
    complete: bool


def completeness(state: Snapshot, day: dt.date) -> Completeness:
    """Compare a day's events with the median of the days before it that have any.

    A day on which nothing arrived is never complete.
    """
    arrived = state.days[day].rows if day in state.days else 0
    before = [
        state.days[earlier].rows
        for n in range(1, LOOK_BACK_DAYS + 1)
        if (earlier := day - dt.timedelta(days=n)) in state.days
    ]
    usual = int(median(before)) if len(before) >= FEWEST_DAYS else None
    return Completeness(arrived, usual, arrived > 0 and (usual is None or arrived >= usual * ENOUGH))
