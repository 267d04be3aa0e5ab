"""What kind of day a date is in China: public holidays and make-up working days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import chinese_calendar


class DayKind(StrEnum):
    """A public holiday, a make-up working day, or a day as the week says."""

    HOLIDAY = "holiday"
    WORKDAY = "workday"
    PLAIN = "plain"


@dataclass(frozen=True)
class Calendar:
    """Holidays by the State Council's notices as ``chinesecalendar`` knows them, ``own`` entries first."""

    own: Mapping[dt.date, DayKind] = field(default_factory=dict)

    def kind(self, day: dt.date) -> DayKind:
        """The kind of a date; a year nobody knows has plain days only (see ``knows``)."""
        if day in self.own:
            return self.own[day]
        try:
            is_off, name = chinese_calendar.get_holiday_detail(day)
        except NotImplementedError:
            return DayKind.PLAIN
        if not name:
            return DayKind.PLAIN
        return DayKind.HOLIDAY if is_off else DayKind.WORKDAY

    def knows(self, year: int) -> bool:
        """Whether the year's holidays are known; otherwise a plan should warn."""
        if any(day.year == year for day in self.own):
            return True
        try:
            chinese_calendar.get_holiday_detail(dt.date(year, 1, 1))
        except NotImplementedError:
            return False
        return True
