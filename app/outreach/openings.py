"""Contact hours on arrays: for many moments at once what ``compliance.next_open`` says of one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from app.lib import wall_clock
from app.lib.lazy import lazy
from app.outreach.compliance import next_open
from app.outreach.settings import OutreachSettings
from app.schedules.calendar import Calendar

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

Moments = Any
#: a moment that never comes
NEVER = 1 << 62


class Openings:
    """The contact hours of the days from the first to the last, after which there are none."""

    def __init__(
        self, settings: OutreachSettings, calendar: Calendar, zone: dt.tzinfo, first: dt.date, last: dt.date
    ) -> None:
        ends, begin, end = settings.hours()[1], [], []
        for number in range((last - first).days + 1):
            day = first + dt.timedelta(days=number)
            midnight = dt.datetime.combine(day, dt.time(), zone)
            opens = next_open(settings, calendar, midnight)
            if opens.date() == day:
                begin.append(wall_clock.seconds_of(opens))
                end.append(wall_clock.seconds_of(midnight + ends))
        self._begin = np.array([*begin, NEVER], np.int64)
        self._end = np.array(end, np.int64)

    def first(self, moments: Moments) -> Moments:
        """Return the first moments inside contact hours at or after moments."""
        return np.maximum(moments, self._begin[np.searchsorted(self._end, moments, side="right")])

    def include(self, moments: Moments) -> Moments:
        """Return whether moments are inside contact hours."""
        return self.first(moments) == moments

    def began(self, moment: int) -> int:
        """Return when the contact hours began that include a moment, else when the next ones do."""
        return int(self._begin[np.searchsorted(self._end, moment, side="right")])

    def later(self, moment: int, seconds: Moments) -> Moments:
        """Return the moments at which so many seconds of contact hours have passed since a moment."""
        begin = np.maximum(self._begin[:-1], moment)
        passed = np.cumsum(np.maximum(self._end - begin, 0))
        place = np.searchsorted(passed, seconds, side="right")
        return self._end[place] - (passed[place] - seconds)
