"""Filters of the change log that its indexes answer at once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from app.audit.history import rows_belonging, statements_about
from app.errors import DomainError
from app.lib.row_id import LARGEST_BIG, row_id
from app.models import ChangeLog


def by_person(user: Any, text: str) -> ColumnElement[bool]:
    """Return the entries of one person, system, command or database user."""
    return ChangeLog.actor == text


def about(user: Any, text: str) -> ColumnElement[bool]:
    """Return the entries about rows of one table, or another object."""
    return ChangeLog.object == text


def of_row(user: Any, text: str) -> ColumnElement[bool]:
    """Return the entries about a row given as ``table:key``, alone or among others, and about what is its.

    Raises DomainError for what names none.
    """
    table, _colon, key = text.partition(":")
    if not key:
        raise DomainError("There is no such object: %(object)s", object=text[:40])
    keys = {table: [key]} | rows_belonging(table, key)
    meant = [and_(ChangeLog.object == name, ChangeLog.object_id.in_(some)) for name, some in keys.items()]
    among = statements_about(table, key)
    return or_(*meant, *([ChangeLog.id.in_(among)] if among else []))


def of_transaction(user: Any, text: str) -> ColumnElement[bool]:
    """Return what was written together, by the number of the transaction. Raises DomainError."""
    number = row_id(text, LARGEST_BIG)
    if number is None:
        raise DomainError("There is no such transaction: %(n)s", n=text[:40])
    return ChangeLog.xid == number
