"""The filter of delivered log files by the dates of their calls."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ColumnElement

from app.errors import DomainError
from app.models import IngestFile


def with_calls_on(user: Any, text: str) -> ColumnElement[bool]:
    """Return a criterion: files with accepted calls of a local date.

    Raises DomainError for an invalid date.
    """
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise DomainError("“%(value)s” is not a date like 2026-10-26.", value=text[:20]) from None
    criterion: ColumnElement[bool] = IngestFile.days.has_key(day.isoformat())
    return criterion
