"""Completeness of a day's data: an incomplete day is held instead of being evaluated unnoticed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from statistics import median

from app.activity.store import Snapshot

#: a day with less than this share of a usual day's events is held
ENOUGH = 0.5
#: days before a day that make the usual one, and the least number of them with data
LOOK_BACK_DAYS, MIN_DAYS = 14, 3


@dataclass(frozen=True)
class Completeness:
    """Events of the day and of a usual day (None when there is too little history), and the verdict."""

    arrived: int
    usual: int | None
    complete: bool


def completeness(state: Snapshot, day: dt.date) -> Completeness:
    """Compare a day's events with the median of earlier days that have any.

    A day without events is never complete.
    """
    arrived = state.days[day].rows if day in state.days else 0
    before = [
        state.days[earlier].rows
        for n in range(1, LOOK_BACK_DAYS + 1)
        if (earlier := day - dt.timedelta(days=n)) in state.days
    ]
    usual = int(median(before)) if len(before) >= MIN_DAYS else None
    return Completeness(arrived, usual, arrived > 0 and (usual is None or arrived >= usual * ENOUGH))
