"""The bank's own holidays and working days in the configuration file."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from sqlalchemy import select

from app.extensions import db
from app.lib.fields import Word, iso_date
from app.lib.strict import Strict
from app.models import Holiday
from app.rulesfile.kind import Kind
from app.schedules.holidays import FIRST_YEAR, LAST_YEAR


def _in_calendar(day: dt.date) -> dt.date:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"not between {FIRST_YEAR} and {LAST_YEAR}")
    return day


class HolidayDef(Strict):
    """A public holiday or a make-up working day, and where it is published."""

    date: Annotated[dt.date, BeforeValidator(iso_date), AfterValidator(_in_calendar)]
    kind: Literal["holiday", "workday"]
    name: Word
    source: Annotated[str, Field(max_length=255)] = ""


def _definition(row: Holiday) -> HolidayDef:
    return HolidayDef(date=row.date, kind=row.kind, name=row.name, source=row.source)  # type: ignore[arg-type]


def _read() -> list[HolidayDef]:
    return [_definition(row) for row in db.session.scalars(select(Holiday).order_by(Holiday.date))]


def _apply(item: HolidayDef, user: str, overwrite: bool) -> None:
    row = db.session.scalar(select(Holiday).where(Holiday.date == item.date))
    if row is None:
        db.session.add(Holiday(**item.model_dump(), updated_by=user))
    elif overwrite and _definition(row) != item:
        row.kind, row.name, row.source, row.updated_by = item.kind, item.name, item.source, user
    db.session.flush()


HOLIDAYS = Kind("holidays", read=_read, apply=_apply, key=lambda item: str(item.date))
