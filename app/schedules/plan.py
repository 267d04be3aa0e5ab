"""When a schedule pushes: pure functions of schedule, calendar and time.

Preview, ``flask push plan`` and the ticker call the same ``plan``. Inside, a moment is a number of seconds:
of its day, or (absolute) since the first midnight of the calendar; local wall-clock time without a zone.
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import NamedTuple, overload
from zoneinfo import ZoneInfo

from app.schedules.calendar import Calendar, DayKind
from app.schedules.definition import DAYS, ScheduleDef

DAY = 86_400
#: However long everything is silent, the search for the first allowed moment ends after this many days.
FAR_DAYS = 400
STEPS = {"every_7_days": 7, "every_30_days": 30}
#: How far back the last push before a period is looked for, ever farther until the answer is certain.
LOOK_BACK_DAYS = (2, 8, 32)
#: Where a chain of pushes that depend on each other for ever begins.
ORIGIN = dt.date(2020, 1, 1)


class Why(StrEnum):
    """Why a slot goes out as it does. The values are the texts of ``flask push plan``; screens translate."""

    ON_TIME = "on time"
    HOLIDAY = "silent on public holidays"
    WEEKEND = "silent at weekends"
    QUIET = "quiet hours"
    CELL = "silent cell"
    RANGE = "silent time range"
    GAP = "minimum gap to the push before"


class Push(NamedTuple):
    """One nominal slot and what becomes of it: send, delayed or silenced (``at`` is None then)."""

    planned: dt.datetime
    at: dt.datetime | None
    outcome: str
    why: str


class Stretch(NamedTuple):
    """A part of a day, from second ``begin`` on, with one level; ``why`` it is silent (None: it isn't)."""

    begin: int
    level: str
    why: Why | None


class _Slot(NamedTuple):
    """A nominal slot: second of the day, why it is silent, and from when on the day no longer is."""

    second: int
    why: Why | None
    free: int
    span: dt.timedelta


#: When each slot of a day goes out, in seconds of that day (a later day's go on from there); None: silenced.
_Times = list[int | None]


@dataclass(frozen=True, eq=False)
class _Day:
    """What holds on one kind of day, and the times already worked out for it by the push before."""

    stretches: tuple[Stretch, ...]
    begins: tuple[int, ...]
    slots: tuple[_Slot, ...]
    seconds: tuple[int, ...]
    times: dict[int, tuple[_Times, int]] = field(default_factory=dict)


class Plan(Sequence[Push]):
    """The pushes of a period in order. Each is made when it is looked at: a year may have half a million."""

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
    """The nominal slots of ``days`` local dates from ``first`` on, in order, and when each goes out.

    A silent slot is delayed to the first allowed moment when that comes before the next nominal slot, else
    silenced. Two pushes are never closer than the minimum gap, across any midnight and however the period
    is cut.
    """
    planner = _Planner(schedule, calendar)
    found = planner.days(first, days, planner.earliest(first))
    return Plan(
        [
            (dt.datetime.combine(date, dt.time(), zone), planner.day_of(date).slots, times)
            for date, times in found
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
    """The levels and silences of a date, in order from midnight; neighbours differ."""
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
        """When each day's slots go out; ``earliest``: the absolute second the push before allows."""
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
        """The absolute second before which the push before a date forbids another; 0 when none does.

        Looks back for a slot that goes out on time whatever had been before, and follows the chain through
        it. A minimum gap longer than the interval may never forget; then the chain begins at ORIGIN.
        """
        midnight = first.toordinal() * DAY
        if self._first_allowed(midnight - self.gap, midnight) is None:
            return 0
        for back in LOOK_BACK_DAYS:
            start = first - dt.timedelta(days=back)
            if self._is_certain(start, back):
                return self._follow(start, back)
        start = min(ORIGIN, first)
        return self._follow(start, (first - start).days)

    def _is_certain(self, start: dt.date, days: int) -> bool:
        """Whether a slot of the period is sent on time for every history, by a bound on the push before."""
        bound: int | None = None
        for (second, why), (following, _why) in pairwise(self._nominal(start, days)):
            if bound is not None and not why and bound + self.gap <= second and bound < second:
                return True
            bound = second if bound is None else bound
            at = self._first_allowed(max(second, bound + self.gap), following)
            bound = following if at is None else at
        return False

    def _follow(self, start: dt.date, days: int) -> int:
        """``earliest`` after a period whose history makes no difference."""
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

    def _next_nominal(self, date: dt.date) -> int:
        """The first nominal slot after a date that has slots."""
        after = date + dt.timedelta(days=STEPS.get(self.schedule.preset, 1))
        return after.toordinal() * DAY + self.day_of(after).slots[0].second

    # -- when a slot goes out ----------------------------------------------------------------
    def _within(self, day: _Day, early: int) -> tuple[_Times, int]:
        """The times of all slots but the last, which never leave the day, and ``early`` after them."""
        found = day.times.get(early)
        if found is None:
            times: _Times = [None] * (len(day.slots) - 1)
            after, place = early, 0
            # Slots that are over before the minimum gap is can't go out: straight to the one it ends in.
            while (place := max(place, bisect.bisect_right(day.seconds, after) - 1)) < len(times):
                free = day.slots[place].free
                at = free if free >= after else _free(day, after)
                if at < day.seconds[place + 1]:
                    times[place] = at
                    after = at + self.gap
                place += 1
            found = day.times[early] = times, after
        return found

    def _last_of(self, date: dt.date, early: int) -> int | None:
        """When the day's last slot goes out, perhaps on a later day."""
        midnight, slot = date.toordinal() * DAY, self.day_of(date).slots[-1]
        at = self._first_allowed(midnight + max(slot.second, early), self._next_nominal(date))
        return None if at is None else at - midnight

    def _first_allowed(self, moment: int, before: int) -> int | None:
        """The first absolute second from ``moment`` on that is not silent, if it comes before ``before``."""
        while moment < before:
            midnight = moment - moment % DAY
            free = _free(self.day_of(dt.date.fromordinal(midnight // DAY)), moment - midnight)
            moment = midnight + free
            if free < DAY:
                return moment if moment < before else None
        return None

    # -- kinds of day ------------------------------------------------------------------------
    def day_of(self, date: dt.date) -> _Day:
        """What holds on a date."""
        found = self._days.get(date)
        if found is None:
            key = (date.weekday(), *self._rest(date))
            if key not in self._made:
                self._made[key] = self._make(*key)
            found = self._days[date] = self._made[key]
        return found

    def _rest(self, date: dt.date) -> tuple[Why | None, bool]:
        """Why the whole day is silent (None: it isn't), and whether the weekend's stretch holds."""
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
        minutes = self._minutes(weekday)
        hours = self.schedule.quiet_hours
        for minute in _span(*hours) if hours else ():
            minutes[minute] = (minutes[minute][0], Why.QUIET)
        if rest:
            minutes = [(level, rest) for level, _why in minutes]
        return [
            Stretch(minute * 60, *now)
            for minute, now in enumerate(minutes)
            if minute == 0 or now != minutes[minute - 1]
        ]

    def _minutes(self, weekday: int) -> list[tuple[str, Why | None]]:
        """Level and silence of each minute by the day's grid and the ranges over it."""
        row = self.schedule.grid.get(DAYS[weekday], "H" * 24)  # type: ignore[call-overload]
        minutes = [
            (row[hour], Why.CELL if row[hour] == "S" else None) for hour in range(24) for _ in range(60)
        ]
        today, yesterday = DAYS[weekday], DAYS[weekday - 1]
        for each in self.schedule.ranges:
            level = (each.level, Why.RANGE if each.level == "S" else None)
            begin = _seconds(each.from_) // 60
            for minute in _span(each.from_, each.to):
                # What lies before its beginning belongs to the range that began the day before.
                if (today if minute >= begin else yesterday) in each.days:
                    minutes[minute] = level
        return minutes

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
        """The seconds from a slot to the next by the level the slot falls in."""
        schedule = self.schedule
        stretch = schedule.weekend if stretched and not isinstance(schedule.weekend, str) else 1.0
        factors = {"H": 1.0, "S": 1.0, "M": schedule.medium_factor, "L": schedule.low_factor}
        return {
            level: max(round(schedule.interval_minutes * 60 * factor * stretch), self.gap, 1)
            for level, factor in factors.items()
        }


def _free(day: _Day, second: int) -> int:
    """The first second of the day from this one on that is not silent; DAY when there is none."""
    place = bisect.bisect_right(day.begins, second) - 1
    if day.stretches[place].why is None:
        return second
    return next((part.begin for part in day.stretches[place:] if part.why is None), DAY)


def _span(start: str, end: str) -> Iterator[int]:
    """The minutes of the day from one time to another, around midnight when the end is not later."""
    a, b = _seconds(start) // 60, _seconds(end) // 60
    yield from range(a, b) if a < b else (*range(a, 1440), *range(b))


def _seconds(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60
