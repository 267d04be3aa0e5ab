"""The calendar: public holidays and make-up working days in China."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from chinese_calendar import holidays, workdays
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from app.extensions import db
from app.lib import clock
from app.models import CalendarDay, Holiday

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


def fill(connection: Connection) -> int:
    """Store the published kind of every date to the end of the year after next. Return how many changed.

    The database judges the moments of contacts by it; a date that it does not have is refused there.
    """
    first, last = dt.date(min(_PUBLISHED), 1, 1), dt.date(clock.now(connection).year + 2, 12, 31)
    count = (last - first).days + 1
    published, days = Calendar(), [first + dt.timedelta(days=n) for n in range(count)]
    known = dict(connection.execute(select(CalendarDay.date, CalendarDay.kind)).tuples().all())
    new = [
        {"date": day, "kind": kind} for day in days if known.get(day) != (kind := str(published.kind(day)))
    ]
    if new:
        rows = insert(CalendarDay).values(new)
        kinds = {"kind": rows.excluded.kind}
        connection.execute(rows.on_conflict_do_update(index_elements=["date"], set_=kinds))
    return len(new)


def current() -> Calendar:
    """Return the calendar with the bank's current entries, which every plan uses."""
    rows: Iterable[Holiday] = db.session.scalars(select(Holiday))
    return Calendar({row.date: DayKind(row.kind) for row in rows})
