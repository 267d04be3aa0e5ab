"""Filters of columns, by kind of column."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Float,
    Integer,
    String,
    inspect,
)
from sqlalchemy.orm import MANYTOMANY, MANYTOONE

from app.errors import DomainError
from app.leads import number_limit
from app.lib.row_id import row_id
from app.models import UserName

#: the kind of filters that belong to no single column (app/selection/special.py)
SPECIAL = "special"
#: kind of column → operators; their order is part of the addresses of lists
OPERATORS: dict[str, tuple[str, ...]] = {
    "relation": ("is",),
    "relations": ("is",),
    "phone": ("is",),
    "flag": ("is",),
    "text": ("starts", "is"),
    "person": ("starts", "is"),
    "number": ("is", "from", "to"),
    "moment": ("from", "to"),
    "day": ("from", "to"),
    SPECIAL: ("is",),
}
_TYPES: tuple[tuple[Any, str], ...] = (
    (Boolean, "flag"),
    (UserName, "person"),
    (String, "text"),
    (Integer, "number"),
    (Float, "number"),
    (DateTime, "moment"),
    (Date, "day"),
)
_INDEX = re.compile(r"[0-9a-f]{64}")
_LARGEST = 2**31


def kind_of(model: type[Any], column: str) -> str | None:
    """Return the kind of a model's column or relation, None when it has no filters."""
    mapper = inspect(model)
    if column in mapper.relationships:
        directions = {MANYTOONE: "relation", MANYTOMANY: "relations"}
        return directions.get(mapper.relationships[column].direction)
    if column not in mapper.columns:
        return None
    if column == "phone_index":
        return "phone"
    column_type = mapper.columns[column].type
    return next((kind for sort, kind in _TYPES if isinstance(column_type, sort)), None)


def is_phone_index(text: str) -> bool:
    """Return whether a text is the blind index of a phone number."""
    return bool(_INDEX.fullmatch(text))


@dataclass(frozen=True)
class ColumnFilter:
    """A filter of one column, set by a user."""

    model: type[Any]
    name: str
    operator: str
    value: str
    user: Any

    @property
    def column(self) -> Any:
        """The column or relation of the model."""
        return getattr(self.model, self.name)

    def refusal(self) -> DomainError:
        """Return the error that names the value and the column."""
        return DomainError(
            "“%(value)s” can't be searched for in “%(column)s”.", value=self.value[:40], column=self.name
        )

    @property
    def key(self) -> int:
        """The value as the key of a row. Raises DomainError when it is none."""
        key = row_id(self.value)
        if key is None:
            raise self.refusal()
        return key


def _relation(filter_: ColumnFilter) -> ColumnElement[bool]:
    [column] = filter_.column.property.local_columns
    criterion: ColumnElement[bool] = column == filter_.key
    return criterion


def _relations(filter_: ColumnFilter) -> ColumnElement[bool]:
    criterion: ColumnElement[bool] = filter_.column.any(id=filter_.key)
    return criterion


def _phone(filter_: ColumnFilter) -> ColumnElement[bool]:
    """Match a phone by its blind index, so that no address and no log ever holds the number.

    Only a user who recently searched for the number gets an answer. An address passed on, or an index read in
    the change log, reveals nothing.
    """
    if not is_phone_index(filter_.value):
        raise DomainError("Use the list's search form to search for a phone number.")
    number_limit.check_right(filter_.user.username)
    if not number_limit.has_searched(filter_.value, filter_.user.username):
        raise DomainError(
            "Enter the number in the list's search form again: your last search for it was too long ago."
        )
    criterion: ColumnElement[bool] = filter_.column == filter_.value
    return criterion


def _flag(filter_: ColumnFilter) -> ColumnElement[bool]:
    criterion: ColumnElement[bool] = filter_.column.is_(filter_.value in ("1", "y", "true", "True"))
    return criterion


def _text(filter_: ColumnFilter) -> ColumnElement[bool]:
    if filter_.operator == "starts":
        starts: ColumnElement[bool] = filter_.column.startswith(filter_.value, autoescape=True)
        return starts
    criterion: ColumnElement[bool] = filter_.column == filter_.value
    return criterion


def _number(filter_: ColumnFilter) -> ColumnElement[bool]:
    try:
        number = float(filter_.value) if "." in filter_.value else int(filter_.value)
    except ValueError:
        raise filter_.refusal() from None
    if not -_LARGEST < number < _LARGEST:
        raise filter_.refusal()
    compared: dict[str, ColumnElement[bool]] = {
        "is": filter_.column == number,
        "from": filter_.column >= number,
        "to": filter_.column <= number,
    }
    return compared[filter_.operator]


def _day(filter_: ColumnFilter) -> ColumnElement[bool]:
    """Match days, or moments by their local date: from a date, or up to it."""
    try:
        day = dt.date.fromisoformat(filter_.value[:10]) + dt.timedelta(days=filter_.operator == "to")
    except (ValueError, OverflowError):
        raise filter_.refusal() from None
    edge: dt.date = day
    if kind_of(filter_.model, filter_.name) == "moment":
        edge = dt.datetime.combine(day, dt.time(), current_app.config["SETTINGS"].zone)
    criterion: ColumnElement[bool] = (
        filter_.column >= edge if filter_.operator == "from" else filter_.column < edge
    )
    return criterion


CRITERIA: dict[str, Callable[[ColumnFilter], ColumnElement[bool]]] = {
    "relation": _relation,
    "relations": _relations,
    "phone": _phone,
    "flag": _flag,
    "text": _text,
    "person": _text,
    "number": _number,
    "moment": _day,
    "day": _day,
}
