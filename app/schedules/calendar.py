"""The calendar: public holidays and make-up working days in China."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from chinese_calendar import holidays, workdays
from sqlalchemy import select

from app.extensions import db
from app.models import Holiday

#: public holidays per year by law; a year with fewer entries of the bank's own is incomplete
STATUTORY_DAYS = 13
_PUBLISHED = {day.year for day in holidays}


class DayKind(StrEnum):
    """Kind of a day: public holiday, make-up working day, or an ordinary day of the week."""

    HOLIDAY = "holiday"
    WORKDAY = "workday"
    PLAIN = "plain"


@dataclass(frozen=True)
class Calendar:
    """The State Council's holidays from ``chinesecalendar``, overridden by the bank's ``own`` entries."""

    own: Mapping[dt.date, DayKind] = field(default_factory=dict)

    def kind(self, day: dt.date) -> DayKind:
        """Return the kind of a date. Unknown years have ordinary days only (see ``knows``)."""
        if day in self.own:
            return self.own[day]
        if day in workdays:
            return DayKind.WORKDAY
        return DayKind.HOLIDAY if day in holidays else DayKind.PLAIN

    def knows(self, year: int) -> bool:
        """Whether the year's holidays are known. If not, a plan should warn."""
        if published(year):
            return True
        entered = sum(day.year == year and kind is DayKind.HOLIDAY for day, kind in self.own.items())
        return entered >= STATUTORY_DAYS

    def unknown_years(self, first: dt.date, last: dt.date) -> list[int]:
        """Return the years in a range of dates whose holidays are not known."""
        return [year for year in range(first.year, last.year + 1) if not self.knows(year)]


def published(year: int) -> bool:
    """Whether ``chinesecalendar`` has the year."""
    return year in _PUBLISHED


def current() -> Calendar:
    """Return the calendar with the bank's current entries, which every plan uses."""
    rows: Iterable[Holiday] = db.session.scalars(select(Holiday))
    return Calendar({row.date: DayKind(row.kind) for row in rows})
