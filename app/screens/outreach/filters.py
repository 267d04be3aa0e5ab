"""Filters of the lists of batches and contacts that belong to no column."""

from __future__ import annotations

from app import labels
from app.console.filters import ChoiceFilter


class BatchState(ChoiceFilter):
    """Batches by state, as their tags say it."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the states, in the words of both channels."""
        words = labels.of_both(labels.batch_words("sms"), labels.batch_words("call"))
        return [(code, str(said)) for code, said in words.items()]
