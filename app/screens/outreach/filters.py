"""Filters of the lists of batches and contacts that belong to no column."""

from __future__ import annotations

from app import labels
from app.console.filters import ChoiceFilter

#: states of batches in the words of both channels
STATES = labels.of_both(labels.batch_words("sms"), labels.batch_words("call"))


class BatchState(ChoiceFilter):
    """Batches by state, as their tags say it."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the states, in the words of both channels."""
        return [(code, str(said)) for code, said in STATES.items()]
