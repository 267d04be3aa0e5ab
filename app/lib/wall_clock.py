"""Local time on arrays: moments are seconds since 1970 in UTC, days are numbered since 1970-01-01."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from app.lib.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

Ints = Any
DAY = 86_400
_EPOCH = dt.date(1970, 1, 1)


def number_of(day: dt.date) -> int:
    """Return the number of a day."""
    return (day - _EPOCH).days


def date_of(number: int) -> dt.date:
    """Return the day with a number."""
    return _EPOCH + dt.timedelta(days=int(number))


def seconds_of(moment: dt.datetime) -> int:
    """Return a moment in whole seconds."""
    return int(moment.timestamp() // 1)


class WallClock:
    """The local time of a zone from the first to the last of some days; before and after, offsets go on."""

    def __init__(self, zone: dt.tzinfo, first: dt.date, last: dt.date) -> None:
        self._zone = zone
        offsets, changes = [self._offset(seconds_of(_midnight(first)))], []
        for number in range(number_of(first), number_of(last) + 1):
            start, end = number * DAY, (number + 1) * DAY
            if self._offset(end) != offsets[-1]:
                changes.append(self._change(start, end, offsets[-1]))
                offsets.append(self._offset(end))
        self._offsets = np.array(offsets, np.int64)
        self._changes = np.array(changes, np.int64)
        # A local time that happens twice, or never, is taken by the offset before the change, as Python does.
        before, after = self._offsets[:-1], self._offsets[1:]
        self._local_changes = self._changes + np.maximum(before, after)

    def _offset(self, moment: int) -> int:
        offset = dt.datetime.fromtimestamp(moment, self._zone).utcoffset() or dt.timedelta()
        return int(offset.total_seconds())

    def _change(self, start: int, end: int, offset: int) -> int:
        while end - start > 1:
            middle = (start + end) // 2
            start, end = (middle, end) if self._offset(middle) == offset else (start, middle)
        return end

    def local(self, moments: Ints) -> Ints:
        """Return what the clock on the wall shows, in seconds since 1970-01-01 00:00 by itself."""
        return moments + self._at(self._changes, moments)

    def moments(self, local: Ints) -> Ints:
        """Return the moments at which the clock on the wall shows something."""
        return local - self._at(self._local_changes, local)

    def days(self, moments: Ints) -> Ints:
        """Return the numbers of the local days of moments."""
        return self.local(moments) // DAY

    def midnights(self, days: Ints) -> Ints:
        """Return the moments at which days begin."""
        return self.moments(days * DAY)

    def _at(self, changes: Ints, values: Ints) -> Ints:
        if not len(self._changes):
            return self._offsets[0]
        return self._offsets[np.searchsorted(changes, values, side="right")]


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
