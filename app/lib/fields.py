"""Field types shared by definitions: names, dates, times of day."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError


def _clock_or_midnight(text: str) -> str:
    return text if text == "24:00" else _clock(text)


def _clock(text: str) -> str:
    try:
        moment = dt.datetime.strptime(text, "%H:%M")
    except ValueError as error:
        raise ValueError("not a time of day such as 09:00") from error
    return moment.strftime("%H:%M")


def distinct(values: list[str]) -> list[str]:
    """Return the values. Raises PydanticCustomError for a duplicate."""
    if len(set(values)) != len(values):
        raise PydanticCustomError("twice", "the same value stands twice")
    return values


def iso_date(value: Any) -> Any:
    """Parse an ISO date given as text; leave anything else to the field's own check."""
    return dt.date.fromisoformat(value) if isinstance(value, str) else value


Name = Annotated[str, Field(min_length=1, max_length=128)]
Word = Annotated[str, Field(min_length=1, max_length=64)]
Clock = Annotated[str, AfterValidator(_clock)]
ClockEnd = Annotated[str, AfterValidator(_clock_or_midnight)]
