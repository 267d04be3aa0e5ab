"""What kind of day a date is in China: public holidays and make-up working days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from chinese_calendar import holidays, workdays
from sqlalchemy import select

from app.extensions import db
from app.models import Holiday

#: So many days a year are public holidays by law; a year with fewer of our own is not fully entered.
STATUTORY_DAYS = 13
_PUBLISHED = {day.year for day in holidays}


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
        if day in workdays:
            return DayKind.WORKDAY
        return DayKind.HOLIDAY if day in holidays else DayKind.PLAIN

    def knows(self, year: int) -> bool:
        """Whether the year's holidays are known; otherwise a plan should warn."""
        if published(year):
            return True
        entered = sum(day.year == year and kind is DayKind.HOLIDAY for day, kind in self.own.items())
        return entered >= STATUTORY_DAYS

    def unknown_years(self, first: dt.date, last: dt.date) -> list[int]:
        """The years from one date to another whose holidays are not known."""
        return [year for year in range(first.year, last.year + 1) if not self.knows(year)]


def published(year: int) -> bool:
    """Whether ``chinesecalendar`` has the year."""
    return year in _PUBLISHED


def current() -> Calendar:
    """The calendar with the bank's own entries as they are now: what every plan goes by."""
    rows: Iterable[Holiday] = db.session.scalars(select(Holiday))
    return Calendar({row.date: DayKind(row.kind) for row in rows})
