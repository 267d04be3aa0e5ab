"""The filter of delivered log files that belongs to no column."""

from __future__ import annotations

from app.console.filters import ChoiceFilter


class OnDay(ChoiceFilter):
    """Files with accepted calls of a local date."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The date itself."""
        return [(value, value)] if value else []
