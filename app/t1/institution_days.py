"""Events per institution and day: a copy of the activity store's counts for the completeness calendar."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from app.activity import store
from app.extensions import db
from app.leads.cube import activity_root, engine_settings
from app.lib.lazy import lazy
from app.models import InstitutionDay
from app.t1.completeness import ENOUGH, FEWEST_DAYS
from config import Settings

if TYPE_CHECKING:
    from app.activity import query
else:
    query = lazy("app.activity.query")


#: how many days before a day make the usual one; weekdays are compared with weekdays, weekends with weekends
LOOK_BACK_DAYS = 28
_DAYS_AT_ONCE = 31
_SATURDAY = 5


class State(StrEnum):
    """How a day of an institution looks; ``none`` means that nothing was to be expected."""

    FULL = "full"
    LOW = "low"
    MISSING = "missing"
    NONE = "none"


@dataclass(frozen=True)
class Cell:
    """Events of an institution on a day, of a usual such day (None: too little history), and the verdict."""

    day: dt.date
    calls: int
    usual: int | None
    state: State


def refresh(settings: Settings) -> list[dt.date]:
    """Copy the counts of days that changed in the activity store, forget those it lost; the days copied.

    The caller commits. Safe to repeat.
    """
    state = store.snapshot(activity_root(settings))
    counted = select(InstitutionDay.day, func.min(InstitutionDay.source)).group_by(InstitutionDay.day)
    known = dict(db.session.execute(counted).tuples().all())
    stale = sorted(day for day, stored in state.days.items() if known.get(day) != stored.activity)
    gone = [*stale, *(known.keys() - state.days.keys())]
    db.session.execute(delete(InstitutionDay).where(InstitutionDay.day.in_(gone)))
    for part in _spans(stale):
        found = query.rows_by_day_and_institution(
            state, part[0], part[-1], settings=engine_settings(settings)
        )
        rows = [
            {"day": day, "institution": code, "calls": n, "source": state.days[day].activity}
            for day, code, n in found
            if day in part
        ]
        if rows:
            db.session.execute(insert(InstitutionDay), rows)
    return stale


def _spans(days: list[dt.date]) -> Iterator[list[dt.date]]:
    """The days in parts that lie close together, for one question to the store each."""
    part: list[dt.date] = []
    for day in days:
        if part and (day - part[0]).days >= _DAYS_AT_ONCE:
            yield part
            part = []
        part.append(day)
    if part:
        yield part


def counts(first: dt.date, last: dt.date) -> dict[str, dict[dt.date, int]]:
    """Events by institution code and day, of the days first … last and those that make their usual day."""
    since = first - dt.timedelta(days=LOOK_BACK_DAYS)
    found: dict[str, dict[dt.date, int]] = {}
    rows = select(InstitutionDay.institution, InstitutionDay.day, InstitutionDay.calls)
    for code, day, calls in db.session.execute(rows.where(InstitutionDay.day.between(since, last))):
        found.setdefault(code, {})[day] = calls
    return found


def judged(calls: Mapping[dt.date, int], first: dt.date, last: dt.date) -> list[Cell]:
    """Each of the days first … last beside the median of such days in the LOOK_BACK_DAYS before it.

    Days count from the first on which the institution was seen; below ENOUGH of the usual it is low.
    """
    seen = min(calls, default=last)
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    return [_cell(calls, seen, day) for day in days]


def _cell(calls: Mapping[dt.date, int], seen: dt.date, day: dt.date) -> Cell:
    earlier = (day - dt.timedelta(days=back) for back in range(1, LOOK_BACK_DAYS + 1))
    alike = [
        calls.get(each, 0)
        for each in earlier
        if each >= seen and (each.weekday() >= _SATURDAY) == (day.weekday() >= _SATURDAY)
    ]
    usual = int(median(alike)) if len(alike) >= FEWEST_DAYS else None
    arrived = calls.get(day, 0)
    if not usual:
        return Cell(day, arrived, usual, State.FULL if arrived else State.NONE)
    low = State.LOW if arrived else State.MISSING
    return Cell(day, arrived, usual, State.FULL if arrived >= usual * ENOUGH else low)
