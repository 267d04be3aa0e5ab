"""Events by institution and day: the activity store's counts, copied for the completeness calendar."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from app.activity import store
from app.extensions import db
from app.leads.cube import activity_root, engine_settings
from app.lib.frames import pd
from app.lib.lazy import lazy
from app.models import InstitutionDay
from app.t1.completeness import ENOUGH, MIN_DAYS
from config import Settings

if TYPE_CHECKING:
    from app.activity import query
else:
    query = lazy("app.activity.query")


#: days before a day that make the usual one; weekdays are compared with weekdays, weekends with weekends
LOOK_BACK_DAYS = 28
_DAYS_AT_ONCE = 31
_SATURDAY = 5
#: the column of all institutions combined
ALL = ""


class State(StrEnum):
    """The state of an institution's day; ``none`` means that no data was expected."""

    FULL = "full"
    LOW = "low"
    MISSING = "missing"
    NONE = "none"


@dataclass(frozen=True)
class Cell:
    """Events of an institution on a day and on a usual such day (None when unknown), and the verdict."""

    day: dt.date
    calls: int
    usual: int | None
    state: State


def refresh(settings: Settings) -> list[dt.date]:
    """Copy the counts of days that changed in the activity store, without committing. Return these days.

    Days that the store no longer has are deleted. Safe to repeat.
    """
    state = store.snapshot(activity_root(settings))
    counted = select(InstitutionDay.day, func.min(InstitutionDay.source)).group_by(InstitutionDay.day)
    known = dict(db.session.execute(counted).tuples().all())
    stale = sorted(day for day, stored in state.days.items() if known.get(day) != stored.activity)
    replaced = [*stale, *(known.keys() - state.days.keys())]
    db.session.execute(delete(InstitutionDay).where(InstitutionDay.day.in_(replaced)))
    for part in _spans(stale):
        counts = query.rows_by_day_and_institution(
            state, part[0], part[-1], settings=engine_settings(settings)
        )
        rows = [
            {"day": day, "institution": code, "calls": n, "source": state.days[day].activity}
            for day, code, n in counts
            if day in part
        ]
        if rows:
            db.session.execute(insert(InstitutionDay), rows)
    return stale


def _spans(days: list[dt.date]) -> Iterator[list[dt.date]]:
    """Split days into groups of neighbours, each of which takes one query of the store."""
    part: list[dt.date] = []
    for day in days:
        if part and (day - part[0]).days >= _DAYS_AT_ONCE:
            yield part
            part = []
        part.append(day)
    if part:
        yield part


def load_counts(first: dt.date, last: dt.date) -> pd.DataFrame:
    """Load events by day (rows) and institution (columns) for first … last and the days to compare with."""
    since = first - dt.timedelta(days=LOOK_BACK_DAYS)
    rows = select(InstitutionDay.institution, InstitutionDay.day, InstitutionDay.calls)
    return pivot_by_day(
        db.session.execute(rows.where(InstitutionDay.day.between(since, last))).tuples(), since, last
    )


def pivot_by_day(rows: Iterable[tuple[str, dt.date, int]], since: dt.date, last: dt.date) -> pd.DataFrame:
    """Pivot rows of institution, day and events. Days before an institution's first events are empty."""
    flat = pd.DataFrame(rows, columns=["institution", "day", "calls"])
    table = flat.pivot(index="day", columns="institution", values="calls")
    table = table.set_axis(pd.to_datetime(table.index)).reindex(pd.date_range(since, last))
    return table.fillna(0).where(table.ffill().notna())


def sum_institutions(table: pd.DataFrame) -> pd.DataFrame:
    """Add the events of all institutions up in a single column."""
    return table.sum(axis=1, min_count=1).to_frame(ALL)


def judge_days(table: pd.DataFrame, first: dt.date, last: dt.date) -> dict[str, list[Cell]]:
    """Compare the days first … last, the table's last rows, with the median of such days in LOOK_BACK_DAYS.

    Return the verdicts by column. Days before an institution's first events don't count, and a day below the
    share ENOUGH of a usual one is low.
    """
    dates = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    arrived, usual = table.fillna(0)[-len(dates) :], _usual(table)[-len(dates) :]
    return {
        str(code): [_cell(*day) for day in zip(dates, arrived[code], usual[code], strict=True)]
        for code in table
    }


def _usual(table: pd.DataFrame) -> pd.DataFrame:
    weekend = pd.DatetimeIndex(table.index).dayofweek >= _SATURDAY
    parts = [
        part.rolling(f"{LOOK_BACK_DAYS}D", closed="left", min_periods=MIN_DAYS).median()
        for part in (table[weekend], table[~weekend])
    ]
    return pd.concat(parts).sort_index()


def _cell(day: dt.date, calls: float, median: float) -> Cell:
    arrived, usual = int(calls), None if pd.isna(median) else int(median)
    if not usual:
        return Cell(day, arrived, usual, State.FULL if arrived else State.NONE)
    low = State.LOW if arrived else State.MISSING
    return Cell(day, arrived, usual, State.FULL if arrived >= usual * ENOUGH else low)
