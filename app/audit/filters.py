"""Filters of the change log that its indexes support."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from app.audit.history import bulk_entries_of, related_rows
from app.errors import DomainError
from app.lib.row_id import LARGEST_BIG, row_id
from app.models import ChangeLog


def by_actor(user: Any, text: str) -> ColumnElement[bool]:
    """Return the entries of one user, system, command or database user."""
    return ChangeLog.actor == text


def about_object(user: Any, text: str) -> ColumnElement[bool]:
    """Return the entries about the rows of one table, or about another object."""
    return ChangeLog.object == text


def of_row(user: Any, text: str) -> ColumnElement[bool]:
    """Return the entries about a row given as ``table:key``, its related rows, and bulk changes of it.

    Raises DomainError when the text names no row.
    """
    table, _colon, key = text.partition(":")
    if not key:
        raise DomainError("There is no such object: %(object)s", object=text[:40])
    keys = {table: [key]} | related_rows(table, key)
    rows = [and_(ChangeLog.object == name, ChangeLog.object_id.in_(ids)) for name, ids in keys.items()]
    bulk = bulk_entries_of(table, key)
    return or_(*rows, *([ChangeLog.id.in_(bulk)] if bulk else []))


def of_transaction(user: Any, text: str) -> ColumnElement[bool]:
    """Return the entries of one transaction, given by its number. Raises DomainError for any other text."""
    number = row_id(text, LARGEST_BIG)
    if number is None:
        raise DomainError("There is no such transaction: %(n)s", n=text[:40])
    return ChangeLog.xid == number
