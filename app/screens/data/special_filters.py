"""The filter of log deliveries by date of their calls, which has no column of its own."""

from __future__ import annotations

from app.console.filters import ChoiceFilter


class OnDay(ChoiceFilter):
    """The files that hold accepted calls of a local date."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the date itself."""
        return [(value, value)] if value else []
