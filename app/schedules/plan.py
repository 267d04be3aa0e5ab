"""The plan of a schedule's pushes, as pure functions of schedule, calendar and time.

Preview, ``flask push plan`` and the ticker use the same ``plan``. Internally, a moment is a number of seconds
in local wall-clock time: since the midnight of its day, or (absolute) since the calendar's first midnight.
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate, chain, pairwise
from typing import NamedTuple, overload
from zoneinfo import ZoneInfo

from app.schedules.calendar import Calendar, DayKind
from app.schedules.definition import DAYS, ScheduleDef

DAY = 86_400
#: The search for the first allowed moment ends after this many days.
FAR_DAYS = 400
STEPS = {"every_7_days": 7, "every_30_days": 30}
#: The last push before a period is looked for this many days back, then further until it is certain.
LOOK_BACK_DAYS = (2, 8, 32)
#: Start of a chain of pushes that never stop depending on each other.
ORIGIN = dt.date(2020, 1, 1)


class Why(StrEnum):
    """Reason for a slot's outcome. The values are texts of ``flask push plan``; screens translate them."""

    ON_TIME = "on time"
    HOLIDAY = "silent on public holidays"
    WEEKEND = "silent at weekends"
    QUIET = "quiet hours"
    CELL = "silent cell"
    RANGE = "silent time range"
    GAP = "minimum gap to the push before"


class Push(NamedTuple):
    """A nominal slot and its outcome: send, delayed, or silenced (with ``at`` None)."""

    planned: dt.datetime
    at: dt.datetime | None
    outcome: str
    why: str


class Stretch(NamedTuple):
    """A part of a day with one level, from second ``begin`` on. ``why`` is None unless it is silent."""

    begin: int
    level: str
    why: Why | None


class _Slot(NamedTuple):
    """A nominal slot: its second of the day, why it is silent, and the first second that no longer is."""

    second: int
    why: Why | None
    free: int
    span: dt.timedelta


#: When each slot of a day is sent, in seconds since its midnight, possibly on a later day; None: silenced.
_Times = list[int | None]


@dataclass(frozen=True, eq=False)
class _Day:
    """The slots of one kind of day, with a cache of their times by the earliest second allowed."""

    stretches: tuple[Stretch, ...]
    begins: tuple[int, ...]
    slots: tuple[_Slot, ...]
    seconds: tuple[int, ...]
    times: dict[int, tuple[_Times, int]] = field(default_factory=dict)


class Plan(Sequence[Push]):
    """The pushes of a period in order, created on access because a year may have half a million."""

    def __init__(self, days: list[tuple[dt.datetime, tuple[_Slot, ...], _Times]]) -> None:
        self._days = days
        self._ends = list(accumulate(len(slots) for _midnight, slots, _times in days))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Push]:
        for midnight, slots, times in self._days:
            for slot, at in zip(slots, times, strict=True):
                yield _push(midnight, slot, at)

    @overload
    def __getitem__(self, index: int) -> Push: ...
    @overload
    def __getitem__(self, index: slice) -> list[Push]: ...
    def __getitem__(self, index: int | slice) -> Push | list[Push]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        number = bisect.bisect_right(self._ends, place)
        midnight, slots, times = self._days[number]
        place -= self._ends[number] - len(slots)
        return _push(midnight, slots[place], times[place])


def plan(schedule: ScheduleDef, first: dt.date, days: int, zone: ZoneInfo, calendar: Calendar) -> Plan:
    """Return the nominal slots of ``days`` local dates from ``first`` on, with their outcomes.

    A silent slot is delayed to the first allowed moment if that comes before the next nominal slot, else
    silenced. Two pushes are never closer than the minimum gap, also across midnight and wherever the period
    begins.
    """
    planner = _Planner(schedule, calendar)
    times_by_date = planner.days(first, days, planner.earliest(first))
    return Plan(
        [
            (dt.datetime.combine(date, dt.time(), zone), planner.day_of(date).slots, times)
            for date, times in times_by_date
        ]
    )


def _push(midnight: dt.datetime, slot: _Slot, at: int | None) -> Push:
    planned = midnight + slot.span
    if at is None:
        return Push(planned, None, "silenced", slot.why or Why.GAP)
    if at == slot.second:
        return Push(planned, planned, "send", Why.ON_TIME)
    return Push(planned, midnight + dt.timedelta(seconds=at), "delayed", slot.why or Why.GAP)


def stretches(schedule: ScheduleDef, day: dt.date, calendar: Calendar) -> tuple[Stretch, ...]:
    """Return the levels and silences of a date in order from midnight. Neighbours differ."""
    return _Planner(schedule, calendar).day_of(day).stretches


class _Planner:
    def __init__(self, schedule: ScheduleDef, calendar: Calendar) -> None:
        self.schedule = schedule
        self.calendar = calendar
        self.gap = schedule.min_gap_seconds
        self._days: dict[dt.date, _Day] = {}
        self._made: dict[tuple[int, Why | None, bool], _Day] = {}

    # -- the chain of slots ------------------------------------------------------------------
    def days(self, first: dt.date, days: int, earliest: int) -> Iterator[tuple[dt.date, _Times]]:
        """Yield each date and the times of its slots, not before the absolute second ``earliest``."""
        for number in range(days):
            date = first + dt.timedelta(days=number)
            if not self._has_slots(date):
                continue
            midnight = date.toordinal() * DAY
            times, early = self._within(self.day_of(date), max(0, earliest - midnight))
            last = self._last_of(date, early)
            earliest = midnight + (early if last is None else last + self.gap)
            yield date, [*times, last]

    def earliest(self, first: dt.date) -> int:
        """Return the first absolute second that the push before a date allows, 0 if there is no limit.

        Looks back for a slot that is sent on time whatever came before, and follows the chain from there.
        With a minimum gap longer than the interval there may be none; then the chain begins at ORIGIN.
        """
        midnight = first.toordinal() * DAY
        if self._first_allowed(midnight - self.gap, midnight) is None:
            # Nothing was sent within the gap, but a slot may have been waiting since before it.
            slot, following = self._last_nominal(first)
            if slot is None:
                return 0
            if self._first_allowed(slot, midnight) is None:
                waited = self._first_allowed(midnight, following)
                return 0 if waited is None else waited + self.gap
        for back in LOOK_BACK_DAYS:
            start = first - dt.timedelta(days=back)
            if self._is_certain(start, back):
                return self._follow(start, back)
        start = min(ORIGIN, first)
        return self._follow(start, (first - start).days)

    def _is_certain(self, start: dt.date, days: int) -> bool:
        """Whether some slot of the period is sent on time for every history.

        ``bound`` is the latest possible time of the previous push.
        """
        bound: int | None = None
        for (second, why), (following, _why) in pairwise(self._nominal(start, days)):
            if bound is not None and not why and bound + self.gap <= second and bound < second:
                return True
            bound = second if bound is None else bound
            at = self._first_allowed(max(second, bound + self.gap), following)
            bound = following if at is None else at
        return False

    def _follow(self, start: dt.date, days: int) -> int:
        """Return ``earliest`` after a period whose history has no effect."""
        earliest = 0
        for date, times in self.days(start, days, 0):
            sent = next((at for at in reversed(times) if at is not None), None)
            if sent is not None:
                earliest = date.toordinal() * DAY + sent + self.gap
        return earliest

    def _nominal(self, first: dt.date, days: int) -> Iterator[tuple[int, Why | None]]:
        for number in range(days):
            date = first + dt.timedelta(days=number)
            if self._has_slots(date):
                midnight = date.toordinal() * DAY
                for slot in self.day_of(date).slots:
                    yield midnight + slot.second, slot.why

    def _has_slots(self, date: dt.date) -> bool:
        start, step = self.schedule.start_date, STEPS.get(self.schedule.preset)
        if step is None or start is None:
            return True
        return date >= start and (date - start).days % step == 0

    def _last_nominal(self, first: dt.date) -> tuple[int | None, int]:
        """Return the last nominal slot before a date, None if there is none, and the one that follows it."""
        for back in range(1, STEPS.get(self.schedule.preset, 1) + 1):
            date = first - dt.timedelta(days=back)
            if self._has_slots(date):
                return date.toordinal() * DAY + self.day_of(date).slots[-1].second, self._next_nominal(date)
        return None, 0

    def _next_nominal(self, date: dt.date) -> int:
        """Return the first nominal slot after a date that has slots."""
        after = date + dt.timedelta(days=STEPS.get(self.schedule.preset, 1))
        return after.toordinal() * DAY + self.day_of(after).slots[0].second

    # -- times of slots ----------------------------------------------------------------------
    def _within(self, day: _Day, early: int) -> tuple[_Times, int]:
        """Return the times of all slots but the last, and the earliest second for the last.

        These slots are never delayed beyond the day.
        """
        cached = day.times.get(early)
        if cached is None:
            times: _Times = [None] * (len(day.slots) - 1)
            after, place = early, 0
            # Slots before the end of the minimum gap can't be sent, so skip to the one in which it ends.
            while (place := max(place, bisect.bisect_right(day.seconds, after) - 1)) < len(times):
                free = day.slots[place].free
                at = free if free >= after else _free(day, after)
                if at < day.seconds[place + 1]:
                    times[place] = at
                    after = at + self.gap
                place += 1
            cached = day.times[early] = times, after
        return cached

    def _last_of(self, date: dt.date, early: int) -> int | None:
        """Return when the day's last slot is sent, possibly on a later day."""
        midnight, slot = date.toordinal() * DAY, self.day_of(date).slots[-1]
        at = self._first_allowed(midnight + max(slot.second, early), self._next_nominal(date))
        return None if at is None else at - midnight

    def _first_allowed(self, moment: int, before: int) -> int | None:
        """Return the first non-silent absolute second from ``moment`` on, None unless before ``before``."""
        while moment < before:
            midnight = moment - moment % DAY
            free = _free(self.day_of(dt.date.fromordinal(midnight // DAY)), moment - midnight)
            moment = midnight + free
            if free < DAY:
                return moment if moment < before else None
        return None

    # -- kinds of day ------------------------------------------------------------------------
    def day_of(self, date: dt.date) -> _Day:
        """Return the kind of day of a date."""
        day = self._days.get(date)
        if day is None:
            key = (date.weekday(), *self._rest(date))
            if key not in self._made:
                self._made[key] = self._make(*key)
            day = self._days[date] = self._made[key]
        return day

    def _rest(self, date: dt.date) -> tuple[Why | None, bool]:
        """Return why the whole day is silent (None: it isn't), and whether its intervals are stretched."""
        schedule, kind = self.schedule, self.calendar.kind(date)
        weekend = date.weekday() >= 5 and kind is not DayKind.WORKDAY
        if kind is DayKind.HOLIDAY and schedule.holidays == "silent":
            return Why.HOLIDAY, False
        if kind is DayKind.HOLIDAY and schedule.holidays == "weekend":
            weekend = True
        if not weekend or schedule.weekend == "normal":
            return None, False
        return (Why.WEEKEND, False) if schedule.weekend == "silent" else (None, True)

    def _make(self, weekday: int, rest: Why | None, stretched: bool) -> _Day:
        parts = self._stretches(weekday, rest)
        begins = [part.begin for part in parts]
        frees = [
            next((later.begin for later in parts[place:] if later.why is None), DAY)
            for place in range(len(parts))
        ]
        slots = []
        for second in self._seconds(parts, begins, stretched):
            place = bisect.bisect_right(begins, second) - 1
            free = max(second, frees[place])
            slots.append(_Slot(second, parts[place].why, free, dt.timedelta(seconds=second)))
        return _Day(tuple(parts), tuple(begins), tuple(slots), tuple(slot.second for slot in slots))

    def _stretches(self, weekday: int, rest: Why | None) -> list[Stretch]:
        parts = [
            Stretch(minute * 60, *self._minute(weekday, minute, rest)) for minute in self._possible_changes()
        ]
        return [part for n, part in enumerate(parts) if n == 0 or part[1:] != parts[n - 1][1:]]

    def _possible_changes(self) -> list[int]:
        """Return the minutes at which the level or silence of a day may change."""
        spans = [(each.from_, each.to) for each in self.schedule.ranges]
        ends = chain(*spans, self.schedule.quiet_hours or ())
        return sorted({*range(0, 1440, 60), *map(_minutes, ends)} - {1440})

    def _minute(self, weekday: int, minute: int, rest: Why | None) -> tuple[str, Why | None]:
        """Return level and silence of a minute by the week grid, overridden by the ranges and silences."""
        row = self.schedule.grid.get(DAYS[weekday], "H" * 24)  # type: ignore[call-overload]
        level, today, yesterday = row[minute // 60], DAYS[weekday], DAYS[weekday - 1]
        why = Why.CELL if level == "S" else None
        for each in self.schedule.ranges:
            # Minutes before its start belong to the range that began the day before.
            began = today if minute >= _minutes(each.from_) else yesterday
            if began in each.days and _is_within(minute, each.from_, each.to):
                level, why = each.level, Why.RANGE if each.level == "S" else None
        hours = self.schedule.quiet_hours
        if hours and _is_within(minute, *hours):
            why = Why.QUIET
        return level, rest or why

    def _seconds(self, parts: Sequence[Stretch], begins: Sequence[int], stretched: bool) -> Iterator[int]:
        schedule = self.schedule
        if schedule.preset == "hourly":
            yield from range(0, DAY, 3600)
        elif schedule.preset != "custom":
            yield _seconds(schedule.at)
        else:
            second, intervals = 0, self._intervals(stretched)
            while second < DAY:
                yield second
                second += intervals[parts[bisect.bisect_right(begins, second) - 1].level]

    def _intervals(self, stretched: bool) -> dict[str, int]:
        """Return the seconds from a slot to the next by the level of the slot."""
        schedule = self.schedule
        stretch = schedule.weekend if stretched and not isinstance(schedule.weekend, str) else 1.0
        factors = {"H": 1.0, "S": 1.0, "M": schedule.medium_factor, "L": schedule.low_factor}
        return {
            level: max(round(schedule.interval_minutes * 60 * factor * stretch), self.gap, 1)
            for level, factor in factors.items()
        }


def _free(day: _Day, second: int) -> int:
    """Return the first non-silent second of the day from this one on, DAY when there is none."""
    place = bisect.bisect_right(day.begins, second) - 1
    if day.stretches[place].why is None:
        return second
    return next((part.begin for part in day.stretches[place:] if part.why is None), DAY)


def _is_within(minute: int, first: str, last: str) -> bool:
    """Whether a minute of the day is in a span of time, which crosses midnight when its end is not later."""
    a, b = _minutes(first), _minutes(last)
    return a <= minute < b if a < b else not b <= minute < a


def _minutes(clock: str) -> int:
    return _seconds(clock) // 60


def _seconds(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60
