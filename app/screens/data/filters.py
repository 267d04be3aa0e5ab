"""The filter of delivered log files that belongs to no column."""

from __future__ import annotations

import datetime as dt
from typing import Any

from app.errors import DomainError
from app.models import IngestFile
from app.screens.leads.filters import ChoiceFilter


class OnDay(ChoiceFilter):
    """Files with accepted calls of a local date."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The date itself."""
        return [(value, value)] if value else []

    def narrowed(self, query: Any, text: str) -> Any:
        """Files that brought calls of the date."""
        try:
            day = dt.date.fromisoformat(text)
        except ValueError:
            raise DomainError("“%(value)s” is not a date like 2026-10-26.", value=text[:20]) from None
        return query.filter(IngestFile.days.has_key(day.isoformat()))
