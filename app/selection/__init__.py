"""Selections: rows that a user filtered on a list, as data that jobs can store and execute.

A filter is (column, operator, value). Jobs and batches store filters as JSON, along with the table and the
user.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Query

from app.access.scope import visible_to
from app.errors import DomainError
from app.extensions import db
from app.leads.reasons import mask_numbers
from app.lib.pointers import Filter
from app.selection import columns, special


def kind_of(model: type[Any], column: str) -> str | None:
    """Return the kind of filters that a column offers (a key of OPERATORS), None when it offers none."""
    if column in special.FILTERS.get(model, {}):
        return columns.SPECIAL
    return columns.kind_of(model, column)


def operators_of(model: type[Any], column: str) -> tuple[str, ...]:
    """Return the operators of a column in the order of OPERATORS, none when it has no filters."""
    kind = kind_of(model, column)
    return columns.OPERATORS[kind] if kind else ()


def criterion(model: type[Any], filter_: Filter, user: Any) -> ColumnElement[bool]:
    """Return the criterion on ``model`` that a filter means for a user.

    Raises DomainError for a column or operator that is not offered, and for an invalid value.
    """
    column, operator, value = filter_
    kind = kind_of(model, column)
    if kind is None or operator not in columns.OPERATORS[kind]:
        raise DomainError("This list has no such filter: %(name)s", name=f"{column} {operator}"[:60])
    if kind == columns.SPECIAL:
        return special.FILTERS[model][column](user, value)
    return columns.CRITERIA[kind](columns.ColumnFilter(model, column, operator, value, user))


@dataclass(frozen=True)
class Selection:
    """The rows of ``model`` that ``user`` may reach and that match every filter."""

    model: type[Any]
    filters: tuple[Filter, ...]
    user: Any

    @classmethod
    def of_json(cls, model: type[Any], stored: Iterable[Sequence[str]], user: Any) -> Selection:
        """Return the selection of stored filters."""
        return cls(model, tuple((column, operator, value) for column, operator, value in stored), user)

    def as_json(self) -> list[list[str]]:
        """Return the filters for storage, with phone and ID numbers masked."""
        return [[column, operator, mask_numbers(value)] for column, operator, value in self.filters]

    def criteria(self) -> list[ColumnElement[bool]]:
        """Return a criterion for each filter. Raises DomainError as ``criterion`` does."""
        return [criterion(self.model, each, self.user) for each in self.filters]

    def query(self) -> Query[Any]:
        """Return a query for the rows. Raises DomainError as ``criterion`` does."""
        scope = visible_to(self.user, self.model)
        return db.session.query(self.model).filter(scope, *self.criteria())
