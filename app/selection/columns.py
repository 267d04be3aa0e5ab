"""Filters of columns, by the kind of the column."""

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
from app.leads import lookup
from app.lib.row_id import row_id

#: the kind of filters that belong to no column (app/selection/special.py)
SPECIAL = "special"
#: kind of column → operators. Their order is part of the addresses of lists.
OPERATORS: dict[str, tuple[str, ...]] = {
    "relation": ("is",),
    "relations": ("is",),
    "phone": ("is",),
    "flag": ("is",),
    "text": ("starts", "is"),
    "number": ("is", "from", "to"),
    "moment": ("from", "to"),
    "day": ("from", "to"),
    SPECIAL: ("is",),
}
_TYPES: tuple[tuple[Any, str], ...] = (
    (Boolean, "flag"),
    (String, "text"),
    (Integer, "number"),
    (Float, "number"),
    (DateTime, "moment"),
    (Date, "day"),
)
_INDEX = re.compile(r"[0-9a-f]{64}")
_LARGEST = 2**31


def kind_of(model: type[Any], column: str) -> str | None:
    """Return the kind of a model's column or relation, None when it can't be filtered by."""
    mapper = inspect(model)
    if column in mapper.relationships:
        directions = {MANYTOONE: "relation", MANYTOMANY: "relations"}
        return directions.get(mapper.relationships[column].direction)
    if column not in mapper.columns:
        return None
    if column == "phone_index":
        return "phone"
    found = mapper.columns[column].type
    return next((kind for sort, kind in _TYPES if isinstance(found, sort)), None)


def is_phone_index(text: str) -> bool:
    """Return whether a text is the blind index of a phone number."""
    return bool(_INDEX.fullmatch(text))


@dataclass(frozen=True)
class Asked:
    """A filter of one column, asked by a person."""

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
        """The value as the key of a row. Raises DomainError."""
        key = row_id(self.value)
        if key is None:
            raise self.refusal()
        return key


def _relation(asked: Asked) -> ColumnElement[bool]:
    [column] = asked.column.property.local_columns
    found: ColumnElement[bool] = column == asked.key
    return found


def _relations(asked: Asked) -> ColumnElement[bool]:
    found: ColumnElement[bool] = asked.column.any(id=asked.key)
    return found


def _phone(asked: Asked) -> ColumnElement[bool]:
    """By the blind index, so that no address and no log ever holds the number.

    Only who typed the number lately gets an answer: an address handed on, or an index read in the change log,
    finds nothing out.
    """
    if not is_phone_index(asked.value):
        raise DomainError("Search for phone numbers in the search form of the list.")
    lookup.check_right(asked.user.username)
    if not lookup.asked(asked.value, asked.user.username):
        raise DomainError("Type the number in the search form of the list again: it was too long ago.")
    found: ColumnElement[bool] = asked.column == asked.value
    return found


def _flag(asked: Asked) -> ColumnElement[bool]:
    found: ColumnElement[bool] = asked.column.is_(asked.value in ("1", "y", "true", "True"))
    return found


def _text(asked: Asked) -> ColumnElement[bool]:
    if asked.operator == "starts":
        starts: ColumnElement[bool] = asked.column.startswith(asked.value, autoescape=True)
        return starts
    found: ColumnElement[bool] = asked.column == asked.value
    return found


def _number(asked: Asked) -> ColumnElement[bool]:
    try:
        number = float(asked.value) if "." in asked.value else int(asked.value)
    except ValueError:
        raise asked.refusal() from None
    if not -_LARGEST < number < _LARGEST:
        raise asked.refusal()
    compared: dict[str, ColumnElement[bool]] = {
        "is": asked.column == number,
        "from": asked.column >= number,
        "to": asked.column <= number,
    }
    return compared[asked.operator]


def _day(asked: Asked) -> ColumnElement[bool]:
    """On or after a local date, or on or before it."""
    try:
        day = dt.date.fromisoformat(asked.value[:10]) + dt.timedelta(days=asked.operator == "to")
    except (ValueError, OverflowError):
        raise asked.refusal() from None
    edge: dt.date = day
    if kind_of(asked.model, asked.name) == "moment":
        edge = dt.datetime.combine(day, dt.time(), current_app.config["SETTINGS"].zone)
    found: ColumnElement[bool] = asked.column >= edge if asked.operator == "from" else asked.column < edge
    return found


CRITERIA: dict[str, Callable[[Asked], ColumnElement[bool]]] = {
    "relation": _relation,
    "relations": _relations,
    "phone": _phone,
    "flag": _flag,
    "text": _text,
    "number": _number,
    "moment": _day,
    "day": _day,
}
