"""Whether a schedule may push at a moment, judged again when a delivery is about to go out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.schedules.calendar import Calendar
from app.schedules.definition import ScheduleDef
from app.schedules.plan import Stretch, stretches

#: A request that begins now is still under way a moment later.
UNDER_WAY = dt.timedelta(seconds=2)
#: A schedule that is silent for longer than this is looked at again after it.
FAR_DAYS = 400
DAY = 86_400


class Window(NamedTuple):
    """A time in which a schedule may push, from ``begins`` to just before ``ends``."""

    begins: dt.datetime
    ends: dt.datetime

    def has(self, now: dt.datetime) -> bool:
        """Whether something that is begun now is over before silence comes."""
        return self.begins <= now < self.ends - UNDER_WAY


def allowed_from(schedule: ScheduleDef, now: dt.datetime, zone: ZoneInfo, calendar: Calendar) -> dt.datetime:
    """``now`` when the schedule is not silent then, else the first moment at which it no longer is."""
    return max(window(schedule, now, zone, calendar).begins, now)


def window(schedule: ScheduleDef, now: dt.datetime, zone: ZoneInfo, calendar: Calendar) -> Window:
    """The window ``now`` lies in, else the next one; it is cut at the end of a day at the latest."""
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
    """The stretches of a day that are not silent, in seconds; those that touch are one."""
    parts = stretches(schedule, day, calendar)
    for silent, group in groupby(zip(parts, [*(p.begin for p in parts[1:]), DAY], strict=True), _is_silent):
        of_day = list(group)
        if not silent:
            yield of_day[0][0].begin, of_day[-1][1]


def _is_silent(part: tuple[Stretch, int]) -> bool:
    return part[0].why is not None


def _moment(midnight: dt.datetime, second: int, zone: ZoneInfo) -> dt.datetime:
    return (midnight + dt.timedelta(seconds=second)).replace(tzinfo=zone).astimezone(dt.UTC)
