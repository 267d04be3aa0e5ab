"""Validation of the query arguments of lists, before Flask-AppBuilder reads them."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, request
from flask_babel import gettext as _

from app.console import urls
from app.console.data import MAX_PAGE_SIZE
from app.lib.row_id import whole_number

#: pages that accept only filters on search columns; a form may be prefilled with any column
_FILTERED = ("list", "export_all", "export_clear", "export_log", "bulk")


def check_list_arguments() -> None:
    """Answer 400 to invalid page, size, filter and order arguments.

    Flask-AppBuilder would answer with a server error, or with a page as large as the table.
    """
    for name, value in request.args.items():
        if name.startswith("page_") and whole_number(value) is None:
            abort(400, description=_("“%(value)s” is not a page number.", value=value[:40]))
        if name.startswith("psize_") and not whole_number(value, MAX_PAGE_SIZE):
            abort(400, description=_("A page holds 1 to %(most)s rows.", most=MAX_PAGE_SIZE))
        if urls.is_filter(name) and not _is_filter(name):
            abort(400, description=_("This list has no such filter: %(name)s", name=name[:60]))
        if name.startswith("_oc_") and not _can_sort(name[4:], value):
            abort(400, description=_("This list can't be sorted by “%(column)s”.", column=value[:40]))


def _can_sort(view_name: str, column: str) -> bool:
    view = next((each for each in _views() if type(each).__name__ == view_name), None)
    return view is not None and column in (getattr(view, "order_columns", None) or [])


def _is_filter(name: str) -> bool:
    """Return whether the view of this request offers the filter."""
    view = next((each for each in _views() if each.endpoint == request.blueprint), None)
    if view is None or not hasattr(view, "datamodel"):
        return True
    known = urls.column_and_operator(view.datamodel.obj, name)
    if str(request.endpoint).endswith(tuple(f".{each}" for each in _FILTERED)):
        return known is not None and known[0] in view.search_columns
    return known is not None


def _views() -> list[Any]:
    return list(current_app.appbuilder.baseviews)  # type: ignore[attr-defined]
