"""Preview of a schedule's pushes for a week, from the same plan as the ticker's."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from app.schedules.calendar import Calendar, DayKind
from app.schedules.definition import ScheduleDef
from app.schedules.plan import Push, Stretch, plan, stretches

WEEK = 7
#: days by which a slot may be planned before the date on which it is sent
_BACK = {"every_7_days": 7, "every_30_days": 30}


@dataclass
class Day:
    """A date with its kind, and its counts of pushes sent on time, delayed and silenced."""

    date: dt.date
    kind: DayKind
    sent: int = 0
    delayed: int = 0
    silenced: int = 0
    #: pushes planned or sent on the date, in the order of the plan
    pushes: list[Push] = field(default_factory=list)

    @property
    def expected(self) -> int:
        """The number of pushes sent on the date."""
        return self.sent + self.delayed


@dataclass(frozen=True)
class Preview:
    """A week of pushes, and the first day's levels and silences."""

    days: list[Day]
    stretches: tuple[Stretch, ...]
    unknown_years: list[int]


def preview(schedule: ScheduleDef, date: dt.date, zone: ZoneInfo, calendar: Calendar) -> Preview:
    """Return the plan of a date and the six days after it."""
    days = {each: Day(each, calendar.kind(each)) for each in (date + dt.timedelta(n) for n in range(WEEK))}
    back = _BACK.get(schedule.preset, 1)
    for push in plan(schedule, date - dt.timedelta(back), back + WEEK, zone, calendar):
        planned = push.planned.date()
        goes = push.at.date() if push.at else None
        if push.at is None and planned in days:
            days[planned].silenced += 1
        elif goes in days:
            day = days[goes]
            day.sent, day.delayed = (
                day.sent + (push.outcome == "send"),
                day.delayed + (push.outcome != "send"),
            )
        if date in (planned, goes):
            days[date].pushes.append(push)
    last = date + dt.timedelta(WEEK - 1)
    return Preview(
        list(days.values()), stretches(schedule, date, calendar), calendar.unknown_years(date, last)
    )


def next_push(
    schedule: ScheduleDef, now: dt.datetime, zone: ZoneInfo, calendar: Calendar
) -> dt.datetime | None:
    """Return when the schedule pushes next, None when not within 40 days."""
    back, now = _BACK.get(schedule.preset, 1), now.astimezone(zone)
    for push in plan(schedule, now.date() - dt.timedelta(back), back + 40, zone, calendar):
        if push.at is not None and push.at > now:
            return push.at
    return None
