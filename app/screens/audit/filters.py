"""Filters of the change log that belong to no column: person, object, row, transaction."""

from __future__ import annotations

from flask_babel import gettext as _
from sqlalchemy import select

from app.console.filters import ChoiceFilter
from app.extensions import db
from app.models import ChangeFacet
from app.screens.audit import entries

MOST_PEOPLE = 500


class ByPerson(ChoiceFilter):
    """Entries of one person, system, command or database user."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Everybody who is in the log."""
        found = list(
            db.session.scalars(select(ChangeFacet.actor).distinct().order_by("actor").limit(MOST_PEOPLE))
        )
        return [(name, name) for name in found + ([value] if value and value not in found else [])]


class AboutObject(ChoiceFilter):
    """Entries about rows of one table, or another object."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Everything the log can be about."""
        return entries.objects()


class OfRow(ChoiceFilter):
    """The history of one row, as ``table:key``."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The row in words."""
        table, _colon, key = value.partition(":")
        return [(value, f"{entries.object_word(table)} {entries.row_name(table, key)}")] if key else []


class OfTransaction(ChoiceFilter):
    """What was written together, by the number of the transaction."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The transaction in words."""
        return [(value, _("transaction %(n)s", n=value))] if value else []


AUDIT_FILTERS: dict[str, type[ChoiceFilter]] = {
    "person": ByPerson,
    "about": AboutObject,
    "row": OfRow,
    "transaction": OfTransaction,
}
