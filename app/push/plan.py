"""When a schedule pushes: pure functions of schedule, calendar and time.

Preview, ``flask push plan`` and the ticker call the same ``plan``. Times inside are local wall-clock times
without a zone; ``Push`` carries them with the zone.
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.push.calendar import Calendar, DayKind
from app.rules.definition import DAYS, ScheduleDef

DAY = 86_400
#: However long everything is silent, the search for the first allowed moment ends after this many days.
FAR_DAYS = 400
STEPS = {"every_7_days": 7, "every_30_days": 30}
#: How far back the last push before a period is looked for, ever farther until the answer is certain.
LOOK_BACK_DAYS = (2, 8, 32)
#: Where a chain of pushes that depend on each other for ever begins.
ORIGIN = dt.date(2020, 1, 1)


class Push(NamedTuple):
    """One nominal slot and what becomes of it. ``at`` is None when it is silenced."""

    planned: dt.datetime
    at: dt.datetime | None
    outcome: str
    why: str


class _Slot(NamedTuple):
    planned: dt.datetime
    at: dt.datetime | None
    why: str


@dataclass(frozen=True)
class _Day:
    """What holds on one kind of day: silence by stretches of seconds, and the nominal slots.

    ``edges[i]`` is where the stretch with ``silent[i]`` begins, in seconds of the day. A slot is its time of
    day, why it is silent (empty: it isn't), and from when on the day is not silent.
    """

    edges: tuple[int, ...]
    silent: tuple[bool, ...]
    slots: tuple[tuple[dt.timedelta, str, dt.timedelta], ...]


def plan(
    schedule: ScheduleDef, first: dt.date, days: int, zone: ZoneInfo, calendar: Calendar | None = None
) -> list[Push]:
    """The nominal slots of ``days`` local dates from ``first`` on, in order, and when each goes out.

    A silent slot is delayed to the first allowed moment when that comes before the next nominal slot, else
    silenced. Two pushes are never closer than the minimum gap, across any midnight and however the period
    is cut.
    """
    planner = _Planner(schedule, calendar or Calendar())
    last = planner.last_push_before(first)
    return [_push(slot, zone) for slot in planner.slots(first, days, last)]


def _push(slot: _Slot, zone: ZoneInfo) -> Push:
    planned = slot.planned.replace(tzinfo=zone)
    if slot.at is None:
        return Push(planned, None, "silenced", slot.why)
    if slot.at == slot.planned:
        return Push(planned, planned, "send", slot.why)
    return Push(planned, slot.at.replace(tzinfo=zone), "delayed", slot.why)


class _Planner:
    def __init__(self, schedule: ScheduleDef, calendar: Calendar) -> None:
        self.schedule = schedule
        self.calendar = calendar
        self.gap = dt.timedelta(seconds=schedule.min_gap_seconds)
        self.day_of: Callable[[dt.date], _Day] = lru_cache(maxsize=1024)(self._day_of)
        self._made: dict[tuple[int, str, bool], _Day] = {}

    # -- the chain of slots ------------------------------------------------------------------
    def slots(
        self, first: dt.date, days: int, last: dt.datetime | None, start: dt.datetime = dt.datetime.min
    ) -> Iterator[_Slot]:
        """Each nominal slot of the period, from ``start`` on, with its moment; ``last``: the push before."""
        gap, nominal = self.gap, self._nominal(first, days)
        end = (None, "", dt.datetime.max)
        slot, why, allowed = next(nominal, end)
        while slot is not None and slot < start:
            slot, why, allowed = next(nominal, end)
        while slot is not None:
            following, next_why, next_allowed = next(nominal, end)
            if not why and (last is None or slot - last >= gap):
                last = slot
                yield _Slot(slot, slot, "on time")
            elif why and following is not None and allowed >= following:
                yield _Slot(slot, None, why)
            else:
                made = self._settle(slot, why, following or self._next_nominal(first, days), last)
                last = made.at or last
                yield made
            slot, why, allowed = following, next_why, next_allowed

    def last_push_before(self, first: dt.date) -> dt.datetime | None:
        """The last push before a date, as far as the minimum gap can feel it.

        Looks back for a slot that goes out on time whatever had been before, and follows the chain from
        there. A minimum gap longer than the interval may never forget; then the chain begins at ORIGIN.
        """
        midnight = dt.datetime.combine(first, dt.time())
        if self._first_allowed(midnight - self.gap, midnight) is None:
            return None
        for back in LOOK_BACK_DAYS:
            start = first - dt.timedelta(days=back)
            certain = self._certain_slot(start, back)
            if certain is not None:
                return self._last_of(start, back, certain)
        origin = min(ORIGIN, first)
        return self._last_of(origin, (first - origin).days, dt.datetime.min)

    def _certain_slot(self, start: dt.date, days: int) -> dt.datetime | None:
        """The first slot that is sent on time for every history, by an upper bound on the push before it."""
        bound: dt.datetime | None = None
        slots = list(self._nominal(start, days))
        for (slot, why, _), (following, _, _) in pairwise(slots):
            if slot is None or following is None:
                continue
            bound = slot if bound is None else bound
            if not why and bound + self.gap <= slot and bound < slot:
                return slot
            at = self._first_allowed(max(slot, bound + self.gap), following)
            bound = at or following
        return None

    def _last_of(self, start: dt.date, days: int, certain: dt.datetime) -> dt.datetime | None:
        """The last push of a period whose chain begins with the slot ``certain``."""
        last: dt.datetime | None = None
        for slot in self.slots(start, days, None, certain):
            last = slot.at or last
        return last

    def _nominal(self, first: dt.date, days: int) -> Iterator[tuple[dt.datetime | None, str, dt.datetime]]:
        for number in range(days):
            day = first + dt.timedelta(days=number)
            midnight = dt.datetime.combine(day, dt.time())
            for time_of_day, why, allowed in self._slots_of(day):
                yield midnight + time_of_day, why, midnight + allowed

    def _slots_of(self, day: dt.date) -> Sequence[tuple[dt.timedelta, str, dt.timedelta]]:
        schedule = self.schedule
        if schedule.preset in STEPS and schedule.start_date is not None:
            passed = (day - schedule.start_date).days
            if passed < 0 or passed % STEPS[schedule.preset]:
                return ()
        return self.day_of(day).slots

    def _next_nominal(self, first: dt.date, days: int) -> dt.datetime:
        after = first + dt.timedelta(days=days)
        found = next(self._nominal(after, FAR_DAYS), None)
        if found is not None and found[0] is not None:
            return found[0]
        return dt.datetime.combine(after, dt.time()) + dt.timedelta(days=FAR_DAYS)

    def _settle(self, slot: dt.datetime, why: str, following: dt.datetime, last: dt.datetime | None) -> _Slot:
        earliest = slot if last is None else max(slot, last + self.gap)
        at = self._first_allowed(earliest, following)
        return _Slot(slot, at, why or "minimum gap to the push before")

    # -- silence -----------------------------------------------------------------------------
    def _first_allowed(self, moment: dt.datetime, before: dt.datetime) -> dt.datetime | None:
        """The first moment from ``moment`` on that is not silent, if it comes before ``before``."""
        while moment < before:
            day = self.day_of(moment.date())
            midnight = dt.datetime.combine(moment.date(), dt.time())
            second = (moment - midnight).total_seconds()
            index = bisect.bisect_right(day.edges, second) - 1
            if not day.silent[index]:
                return moment
            later = next((i for i in range(index + 1, len(day.edges)) if not day.silent[i]), None)
            seconds = DAY if later is None else day.edges[later]
            moment = midnight + dt.timedelta(seconds=seconds)
        return None

    # -- kinds of day ------------------------------------------------------------------------
    def _day_of(self, day: dt.date) -> _Day:
        silent, stretched = self._rest(day)
        key = (day.weekday(), silent, stretched)
        if key not in self._made:
            self._made[key] = self._make(day.weekday(), silent, stretched)
        return self._made[key]

    def _rest(self, day: dt.date) -> tuple[str, bool]:
        """Why the whole day is silent (empty: it isn't), and whether the weekend's stretch holds."""
        schedule, kind = self.schedule, self.calendar.kind(day)
        weekend = day.weekday() >= 5 and kind is not DayKind.WORKDAY
        if kind is DayKind.HOLIDAY and schedule.holidays == "silent":
            return "silent on public holidays", False
        if kind is DayKind.HOLIDAY and schedule.holidays == "weekend":
            weekend = True
        if not weekend or schedule.weekend == "normal":
            return "", False
        if schedule.weekend == "silent":
            return "silent at weekends", False
        return "", True

    def _make(self, weekday: int, silent: str, stretched: bool) -> _Day:
        levels = self._levels(weekday)
        hours = self.schedule.quiet_hours
        quiet = [(_seconds(hours[0]), _seconds(hours[1]))] if hours else []
        edges = sorted({0, *(edge for edge, _ in levels), *(s % DAY for pair in quiet for s in pair)})
        reasons = []
        for edge in edges:
            level = levels[bisect.bisect_right([e for e, _ in levels], edge) - 1][1]
            hushed = any(a <= edge < b if a < b else edge >= a or edge < b for a, b in quiet)
            reasons.append(silent or ("quiet hours" if hushed else "silent cell" if level == "S" else ""))
        slots = []
        for second in self._slots_in_a_day(levels, stretched):
            index = bisect.bisect_right(edges, second) - 1
            free = next(
                (edge for edge, why in zip(edges[index:], reasons[index:], strict=True) if not why), DAY
            )
            slots.append((dt.timedelta(seconds=second), reasons[index], dt.timedelta(seconds=free)))
        return _Day(tuple(edges), tuple(bool(r) for r in reasons), tuple(slots))

    def _levels(self, weekday: int) -> list[tuple[int, str]]:
        """The level of the day's grid, ranges over it, as (second it begins, level)."""
        row = self.schedule.grid.get(DAYS[weekday], "H" * 24)  # type: ignore[call-overload]
        minutes = [row[minute // 60] for minute in range(1440)]
        for each in self.schedule.ranges:
            a, b = _seconds(each.from_) // 60, _seconds(each.to) // 60
            today, yesterday = DAYS[weekday], DAYS[(weekday - 1) % 7]
            if a < b and today in each.days:
                minutes[a:b] = each.level * (b - a)
            elif a >= b:
                if today in each.days:
                    minutes[a:] = each.level * (1440 - a)
                if yesterday in each.days:
                    minutes[:b] = each.level * b
        return [
            (minute * 60, level)
            for minute, level in enumerate(minutes)
            if minute == 0 or level != minutes[minute - 1]
        ]

    def _slots_in_a_day(self, levels: list[tuple[int, str]], stretched: bool) -> Iterator[int]:
        schedule = self.schedule
        if schedule.preset == "hourly":
            yield from range(0, DAY, 3600)
        elif schedule.preset != "custom":
            yield _seconds(schedule.at)
        else:
            factors = {"H": 1.0, "S": 1.0, "M": schedule.medium_factor, "L": schedule.low_factor}
            stretch = (
                float(schedule.weekend) if stretched and isinstance(schedule.weekend, (int, float)) else 1.0
            )
            edges = [edge for edge, _ in levels]
            second = 0
            while second < DAY:
                yield second
                level = levels[bisect.bisect_right(edges, second) - 1][1]
                interval = round(schedule.interval_minutes * 60 * factors[level] * stretch)
                second += max(interval, schedule.min_gap_seconds, 1)


def _seconds(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60
