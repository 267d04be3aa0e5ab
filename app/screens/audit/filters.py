"""Filters of the change log that its indexes answer at once."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from sqlalchemy import and_, or_, select

from app.audit.history import rows_belonging, statements_about
from app.errors import DomainError
from app.extensions import db
from app.models import ChangeFacet, ChangeLog
from app.screens.audit import entries
from app.screens.leads.filters import ChoiceFilter

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

    def narrowed(self, query: Any, text: str) -> Any:
        """Entries of that name."""
        return query.filter(ChangeLog.actor == text)


class AboutObject(ChoiceFilter):
    """Entries about rows of one table, or another object."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Everything the log can be about."""
        return entries.objects()

    def narrowed(self, query: Any, text: str) -> Any:
        """Entries about it."""
        return query.filter(ChangeLog.object == text)


class OfRow(ChoiceFilter):
    """The history of one row, as ``table:key``."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The row in words."""
        table, _colon, key = value.partition(":")
        return [(value, f"{entries.object_word(table)} {entries.row_name(table, key)}")] if key else []

    def narrowed(self, query: Any, text: str) -> Any:
        """Entries about that row, alone or among others, and about what belongs to it.

        Raises DomainError for what names none.
        """
        table, _colon, key = text.partition(":")
        if not key:
            raise DomainError("There is no such object: %(object)s", object=text[:40])
        keys = {table: [key]} | rows_belonging(table, key)
        meant = [and_(ChangeLog.object == name, ChangeLog.object_id.in_(some)) for name, some in keys.items()]
        among = statements_about(table, key)
        return query.filter(or_(*meant, *([ChangeLog.id.in_(among)] if among else [])))


class OfTransaction(ChoiceFilter):
    """What was written together, by the number of the transaction."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The transaction in words."""
        return [(value, _("transaction %(n)s", n=value))] if value else []

    def narrowed(self, query: Any, text: str) -> Any:
        """Entries of that transaction. Raises DomainError for what is no number."""
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise DomainError("There is no such transaction: %(n)s", n=text[:40])
        return query.filter(ChangeLog.xid == int(text))


#: name in ``_flt_0_<name>`` → filter
AUDIT_FILTERS: dict[str, type[ChoiceFilter]] = {
    "person": ByPerson,
    "about": AboutObject,
    "row": OfRow,
    "transaction": OfTransaction,
}
