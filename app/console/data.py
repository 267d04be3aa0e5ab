"""Data access of the generated screens: rows by key, a page of rows with its count, list filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import g, has_request_context
from flask_appbuilder.models.sqla.interface import SQLAInterface

from app.access import refusals
from app.console import paging
from app.console.filters import ConsoleFilters
from app.extensions import db
from app.lib.row_id import row_id

MAX_PAGE_SIZE = 200


class ConsoleInterface(SQLAInterface):  # type: ignore[misc]
    """Data access with our filters, that answers "not there" for a key that can't be one."""

    filter_converter_class = ConsoleFilters

    def __init__(
        self,
        obj: Any,
        session: Any = None,
        computed: Mapping[str, Callable[[Any], Any]] | None = None,
        special: Mapping[str, type[Any]] | None = None,
    ) -> None:
        self.computed = computed or {}
        #: columns that break ties of a falling order before the key does
        self.ties: tuple[str, ...] = ()
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
        """Count (see paging.Count) and one page of rows, in an order that has no ties."""
        if select_columns:
            return super().query(
                filters, order_column, order_direction, page, page_size, select_columns, outer_default_load
            )
        found = self.apply_filters(self.session.query(self.obj), filters)
        count = paging.count_rows(found)
        column = getattr(self.obj, order_column or "id")
        falling = order_direction == "desc"
        ties = [getattr(self.obj, name) for name in self.ties] if falling else []
        order = [each.desc() if falling else each.asc() for each in (column, *ties, self.obj.id)]
        offset, size = (page or 0) * (page_size or MAX_PAGE_SIZE), page_size or MAX_PAGE_SIZE
        return count, list(found.order_by(*order).offset(offset).limit(size))

    def get_filters(self, search_columns: Any = None, search_filters: Any = None) -> Any:
        """The filters of the columns, and the special ones that belong to none."""
        found = super().get_filters(search_columns, search_filters)
        found._all_filters |= {name: [kind(name, self)] for name, kind in self.special.items()}
        return found

    def is_nullable(self, col_name: str) -> bool:
        """Whether a form may leave the column empty: also a text that the database fills with its default."""
        column = self.list_columns.get(col_name)
        is_text = self.is_string(col_name) or self.is_text(col_name)
        filled = is_text and column is not None and column.server_default is not None
        return filled or bool(super().is_nullable(col_name))

    def get(self, id: Any, *args: Any, **kwargs: Any) -> Any:
        """The row with this key, or None; a row beyond the person's scope is noted with the request's end."""
        key = row_id(id)
        if key is None:
            return None
        found = super().get(key, *args, **kwargs)
        if found is None and has_request_context():
            refusals.remember_missing(self.obj, key)
        return found


class PerRequestFilters:
    """Keeps the list filters of a request in the request.

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
