"""Filters of the list of customers in journeys that belong to no column."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import labels as words
from app.console.filters import ChoiceFilter, TextFilter
from app.errors import DomainError
from app.journeys.filters import parse
from app.screens.journeys.labels import STEP


class ByCustomer(TextFilter):
    """Enrolments by the beginning of the customer's name, or the lead number."""

    hint = lazy_gettext("name or lead no.")


class AtStep(ChoiceFilter):
    """Enrolments that stand at a step of a version, or passed it; reached by links only."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the given step and status as the only choice."""
        try:
            step, status = parse(value)
        except DomainError:
            return []
        return [(value, _("%(step)s: %(status)s", step=step, status=words.word(STEP, status)))]
