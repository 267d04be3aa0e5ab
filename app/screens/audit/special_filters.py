"""Filters of the change log without a column of their own: user, object, row and transaction."""

from __future__ import annotations

from flask_babel import gettext as _
from sqlalchemy import select

from app.console import people
from app.console.filters import ChoiceFilter
from app.extensions import db
from app.models import ChangeFacet
from app.screens.audit import entries

MAX_ACTORS = 500


class ByPerson(ChoiceFilter):
    """Entries of one user, system, command or database user."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return every actor in the log."""
        actors = list(
            db.session.scalars(select(ChangeFacet.actor).distinct().order_by("actor").limit(MAX_ACTORS))
        )
        return people.choices(value, actors)


class AboutObject(ChoiceFilter):
    """Entries about the rows of one table, or about an object that is no table."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return every kind of object that the log can be about."""
        return entries.objects()


class OfRow(ChoiceFilter):
    """The history of one row, given as ``table:key``."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the row with its display name."""
        table, _colon, key = value.partition(":")
        return [(value, f"{entries.object_name(table)} {entries.row_name(table, key)}")] if key else []


class OfTransaction(ChoiceFilter):
    """The entries of one database transaction, given by its number."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the transaction with its display name."""
        return [(value, _("transaction %(n)s", n=value))] if value else []


AUDIT_FILTERS: dict[str, type[ChoiceFilter]] = {
    "person": ByPerson,
    "about": AboutObject,
    "row": OfRow,
    "transaction": OfTransaction,
}
