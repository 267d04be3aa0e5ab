"""The list filters of generated screens: few, index-friendly, and strict about what they are given.

A list's address carries them as ``_flt_<index>_<column>=<value>``; the index is the place in
``ConsoleFilters.conversion_table``.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from flask import abort, current_app, g
from flask_appbuilder.models.filters import BaseFilter, BaseFilterConverter
from flask_appbuilder.models.sqla.filters import FilterRelationManyToManyEqual, FilterRelationOneToManyEqual
from flask_babel import gettext, lazy_gettext

from app.errors import DomainError
from app.leads import lookup, suppression

#: what a row's key or a page number looks like
NUMBER = re.compile(r"[0-9]{1,9}")
_INDEX = re.compile(r"[0-9a-f]{64}")


class _ColumnFilter(BaseFilter):  # type: ignore[misc]
    @property
    def column(self) -> Any:
        return getattr(self.model, self.column_name)

    def refuse(self, value: Any) -> None:
        """Answer 400 naming the value and the column."""
        abort(
            400,
            description=gettext(
                "“%(value)s” can't be searched for in “%(column)s”.",
                value=str(value)[:40],
                column=self.column_name,
            ),
        )


class StartsWith(_ColumnFilter):
    """Text that starts with the value."""

    name = lazy_gettext("starts with")
    arg_name = "sw"

    def apply(self, query: Any, value: Any) -> Any:
        """Narrow the query; an empty value means no filter."""
        text = str(value).strip()
        return query.filter(self.column.startswith(text, autoescape=True)) if text else query


class Equal(_ColumnFilter):
    """Text or a flag that equals the value."""

    name = lazy_gettext("is")
    arg_name = "eq"

    def apply(self, query: Any, value: Any) -> Any:
        """Narrow the query; an empty value means no filter."""
        text = str(value).strip()
        if not text:
            return query
        if self.datamodel.is_boolean(self.column_name):
            return query.filter(self.column.is_(text in ("1", "y", "true", "True")))
        return query.filter(self.column == text)


class _Row(_ColumnFilter):
    """Whatever is related to the row with a key; anything but a key is refused."""

    def apply(self, query: Any, value: Any) -> Any:
        """Narrow the query; an empty value means no filter."""
        for key in value if isinstance(value, list) else [value]:
            if key and not NUMBER.fullmatch(str(key)):
                self.refuse(key)
        return super().apply(query, value) if value else query


class RowIs(_Row, FilterRelationOneToManyEqual):  # type: ignore[misc]
    """Rows that belong to one other."""


class RowAmong(_Row, FilterRelationManyToManyEqual):  # type: ignore[misc]
    """Rows that have another one among several."""


class _Number(_ColumnFilter):
    def number(self, value: Any) -> float | int | None:
        """The typed number, None when empty; anything else is refused."""
        text = str(value).strip()
        if not text:
            return None
        try:
            found = float(text) if "." in text else int(text)
        except ValueError:
            self.refuse(value)
            raise AssertionError from None
        if not -(2**31) < found < 2**31:
            self.refuse(value)
        return found


class NumberIs(_Number):
    """A number that equals the value."""

    name = lazy_gettext("is")
    arg_name = "eq"

    def apply(self, query: Any, value: Any) -> Any:
        """Narrow the query; an empty value means no filter."""
        found = self.number(value)
        return query if found is None else query.filter(self.column == found)


class NumberFrom(_Number):
    """A number of at least the value."""

    name = lazy_gettext("at least")
    arg_name = "ge"

    def apply(self, query: Any, value: Any) -> Any:
        """Narrow the query; an empty value means no filter."""
        found = self.number(value)
        return query if found is None else query.filter(self.column >= found)


class NumberTo(_Number):
    """A number of at most the value."""

    name = lazy_gettext("at most")
    arg_name = "le"

    def apply(self, query: Any, value: Any) -> Any:
        """Narrow the query; an empty value means no filter."""
        found = self.number(value)
        return query if found is None else query.filter(self.column <= found)


class _Day(_ColumnFilter):
    def day(self, value: Any, plus: int = 0) -> Any:
        """The typed local date (as a moment for time columns), None when empty; else refused."""
        text = str(value).strip()
        if not text:
            return None
        try:
            found = dt.date.fromisoformat(text[:10]) + dt.timedelta(days=plus)
        except (ValueError, OverflowError):
            self.refuse(value)
            raise AssertionError from None
        if self.datamodel.is_datetime(self.column_name):
            return dt.datetime.combine(found, dt.time(), current_app.config["SETTINGS"].zone)
        return found


class DayFrom(_Day):
    """On or after a local date."""

    name = lazy_gettext("from")
    arg_name = "from"

    def apply(self, query: Any, value: Any) -> Any:
        """Narrow the query; an empty value means no filter."""
        found = self.day(value)
        return query if found is None else query.filter(self.column >= found)


class DayTo(_Day):
    """On or before a local date."""

    name = lazy_gettext("to")
    arg_name = "to"

    def apply(self, query: Any, value: Any) -> Any:
        """Narrow the query; an empty value means no filter."""
        found = self.day(value, plus=1)
        return query if found is None else query.filter(self.column < found)


def phone_index(text: str, where: str) -> str:
    """The blind index of a phone number typed in full, which is put on record; or the index itself.

    ``where`` is the table searched. Raises InvalidPhone, and as ``lookup.ask``.
    """
    if _INDEX.fullmatch(text):
        return text
    target = suppression.phone_target(text, current_app.config["SETTINGS"])
    lookup.ask(target, where, g.user.username)
    return str(target.phone_index)


class PhoneIs(_ColumnFilter):
    """A phone number by its blind index, so that no address and no log ever holds the number.

    Only who typed the number lately gets an answer: an address handed on, or an index read in the change log,
    finds nothing out.
    """

    name = lazy_gettext("is")
    arg_name = "eq"

    def apply(self, query: Any, value: Any) -> Any:
        """Narrow the query; anything but an index is refused."""
        text = str(value).strip()
        if not text:
            return query
        if not _INDEX.fullmatch(text):
            abort(400, description=gettext("Search for phone numbers in the search form of the list."))
        try:
            lookup.check_right(g.user.username)
        except DomainError as error:
            abort(403, description=error.text())
        if not lookup.asked(text, g.user.username):
            abort(
                400,
                description=gettext(
                    "Type the number in the search form of the list again: it was too long ago."
                ),
            )
        return query.filter(self.column == text)


class ConsoleFilters(BaseFilterConverter):  # type: ignore[misc]
    """Which filters a column offers, by its kind; some kinds offer none."""

    def convert(self, col_name: str) -> list[BaseFilter] | None:
        """The filters of a column, None when it can't be filtered by."""
        if col_name in self.datamodel.special:
            return [self.datamodel.special[col_name](col_name, self.datamodel)]
        for kind, filters in self.conversion_table:
            if getattr(self.datamodel, kind)(col_name):
                return [each(col_name, self.datamodel) for each in filters]
        return None

    conversion_table = (
        ("is_relation_many_to_one", [RowIs]),
        ("is_relation_many_to_many", [RowAmong]),
        ("is_phone_index", [PhoneIs]),
        ("is_boolean", [Equal]),
        ("is_string", [StartsWith, Equal]),
        ("is_text", [StartsWith, Equal]),
        ("is_integer", [NumberIs, NumberFrom, NumberTo]),
        ("is_float", [NumberIs, NumberFrom, NumberTo]),
        ("is_datetime", [DayFrom, DayTo]),
        ("is_date", [DayFrom, DayTo]),
    )
