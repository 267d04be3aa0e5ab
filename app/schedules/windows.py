"""Windows of time in which a schedule may push, checked again just before a delivery is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.schedules.calendar import Calendar
from app.schedules.definition import ScheduleDef
from app.schedules.plan import Stretch, stretches

#: time allowed for a request to end before silence begins
UNDER_WAY = dt.timedelta(seconds=2)
#: days to search for the end of silence; a delivery is checked again after them
FAR_DAYS = 400
DAY = 86_400


class Window(NamedTuple):
    """A time in which a schedule may push, from ``begins`` to just before ``ends``."""

    begins: dt.datetime
    ends: dt.datetime

    def has(self, now: dt.datetime) -> bool:
        """Whether a request that begins now ends before silence begins."""
        return self.begins <= now < self.ends - UNDER_WAY


def allowed_from(schedule: ScheduleDef, now: dt.datetime, zone: ZoneInfo, calendar: Calendar) -> dt.datetime:
    """Return ``now`` if the schedule is not silent then, else the first moment after silence."""
    return max(window(schedule, now, zone, calendar).begins, now)


def window(schedule: ScheduleDef, now: dt.datetime, zone: ZoneInfo, calendar: Calendar) -> Window:
    """Return the window that contains ``now``, else the next one. It ends at midnight at the latest."""
    local = now.astimezone(zone).replace(tzinfo=None)
    midnight = dt.datetime.combine(local.date(), dt.time())
    second = (local - midnight + UNDER_WAY).total_seconds()
    for _day in range(FAR_DAYS):
        for begins, ends in _free(schedule, midnight.date(), calendar):
            if ends > second:
                return Window(*(_moment(midnight, each, zone) for each in (begins, ends)))
        midnight, second = midnight + dt.timedelta(days=1), 0.0
    return Window(_moment(midnight, 0, zone), _moment(midnight, DAY, zone))


def _free(schedule: ScheduleDef, day: dt.date, calendar: Calendar) -> Iterator[tuple[int, int]]:
    """Yield the non-silent stretches of a day in seconds, merging adjacent ones."""
    parts = stretches(schedule, day, calendar)
    for silent, group in groupby(zip(parts, [*(p.begin for p in parts[1:]), DAY], strict=True), _is_silent):
        adjacent = list(group)
        if not silent:
            yield adjacent[0][0].begin, adjacent[-1][1]


def _is_silent(part: tuple[Stretch, int]) -> bool:
    return part[0].why is not None


def _moment(midnight: dt.datetime, second: int, zone: ZoneInfo) -> dt.datetime:
    return (midnight + dt.timedelta(seconds=second)).replace(tzinfo=zone).astimezone(dt.UTC)
