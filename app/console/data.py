"""Data access of the screens: rows by key, pages of rows with a count, list filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import g, has_request_context
from flask_appbuilder.models.sqla.interface import SQLAInterface
from sqlalchemy import UnaryExpression

from app.access import refusals
from app.console import paging
from app.console.filters import ConsoleFilters
from app.extensions import db
from app.lib.row_id import row_id

MAX_PAGE_SIZE = 200


def index_order(*terms: Any) -> dict[tuple[str, str], Sequence[Any]]:
    """Return the orders of a column by the terms of an index that begins with it: forwards and backwards.

    A term is a column, or descending.
    """
    down = [each if isinstance(each, UnaryExpression) else each.asc() for each in terms]
    up = [each.element.asc() if isinstance(each, UnaryExpression) else each.desc() for each in terms]
    return {(terms[0].key, "asc"): down, (terms[0].key, "desc"): up}


class ConsoleInterface(SQLAInterface):  # type: ignore[misc]
    """Data access with our filters, computed columns and special filters, in the user's row scope."""

    filter_converter_class = ConsoleFilters

    def __init__(
        self,
        obj: Any,
        session: Any = None,
        computed: Mapping[str, Callable[[Any], Any]] | None = None,
        special: Mapping[str, type[Any]] | None = None,
    ) -> None:
        self.computed = computed or {}
        #: columns that break ties of a descending order before the key does
        self.ties: tuple[str, ...] = ()
        #: orders that are more than a column, its ties and the key: (column, direction) → terms
        self.orders: Mapping[tuple[str, str], Sequence[Any]] = {}
        self.special = special or {}
        super().__init__(obj, session or db.session)

    def _get_attr_value(self, item: Any, col: str) -> Any:
        if col in self.computed:
            return self.computed[col](item)
        return SQLAInterface._get_attr_value(item, col)

    def query(
        self,
        filters: Any = None,
        order_column: str = "",
        order_direction: str = "",
        page: int | None = None,
        page_size: int | None = None,
        select_columns: list[str] | None = None,
        outer_default_load: bool = False,
    ) -> tuple[int, list[Any]]:
        """Return the count (see paging.Count) and one page of rows in a total order."""
        if select_columns:
            return super().query(
                filters, order_column, order_direction, page, page_size, select_columns, outer_default_load
            )
        rows = self.apply_filters(self.session.query(self.obj), filters)
        count = paging.count_rows(rows)
        order = self.order(order_column, order_direction)
        offset, size = (page or 0) * (page_size or MAX_PAGE_SIZE), page_size or MAX_PAGE_SIZE
        return count, list(rows.order_by(*order).offset(offset).limit(size))

    def order(self, column: str, direction: str) -> Sequence[Any]:
        """Return the terms of a total order by a column."""
        if (column, direction) in self.orders:
            return self.orders[column, direction]
        descending = direction == "desc"
        names = [column or "id", *(self.ties if descending else ()), "id"]
        terms = [getattr(self.obj, name) for name in names]
        return [each.desc() if descending else each.asc() for each in terms]

    def get_filters(self, search_columns: Any = None, search_filters: Any = None) -> Any:
        """Return the filters of the columns, and the special ones that belong to no column."""
        filters = super().get_filters(search_columns, search_filters)
        filters._all_filters |= {name: [kind(name, self)] for name, kind in self.special.items()}
        return filters

    def is_nullable(self, col_name: str) -> bool:
        """Return whether a form may leave the column empty. A text with a default in the database may be."""
        column = self.list_columns.get(col_name)
        is_text = self.is_string(col_name) or self.is_text(col_name)
        has_default = is_text and column is not None and column.server_default is not None
        return has_default or bool(super().is_nullable(col_name))

    def get(self, id: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the row with a key or None. A row out of scope is logged at the end of the request."""
        key = row_id(id)
        if key is None:
            return None
        row = super().get(key, *args, **kwargs)
        if row is None and has_request_context():
            refusals.remember_missing(self.obj, key)
        return row


class PerRequestFilters:
    """A mix-in that keeps a request's list filters in the request.

    Flask-AppBuilder keeps them on the view, which all threads of a process share.
    """

    datamodel: Any
    search_columns: Any
    search_filters: Any = None
    _template_filters: Any = None

    @property
    def _filters(self) -> Any:
        if not has_request_context():
            return self._template_filters
        name = f"_list_filters_{type(self).__name__}"
        if name not in g:
            extra = {"search_filters": self.search_filters} if self.search_filters else {}
            setattr(g, name, self.datamodel.get_filters(search_columns=self.search_columns, **extra))
        return getattr(g, name)

    @_filters.setter
    def _filters(self, value: Any) -> None:
        self._template_filters = value
