"""Query arguments of lists, checked before Flask-AppBuilder trips over them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flask import abort, current_app, request
from flask_babel import gettext as _

from app.console.data import MAX_PAGE_SIZE
from app.console.filters import NUMBER

_FILTER = re.compile(r"_flt_(\d)_(.*)")
#: pages that are filtered by a view's search columns; a form may be prefilled by any column
_FILTERED = ("list", "export_all", "export_clear", "export_log", "bulk")


def check_list_arguments() -> None:
    """Answer 400 to page, size and order arguments that no screen of ours makes.

    Flask-AppBuilder turns them into a server error, or into a page as large as the table.
    """
    for name, value in request.args.items():
        if name.startswith("page_") and not NUMBER.fullmatch(value):
            abort(400, description=_("“%(value)s” is not a page number.", value=value[:40]))
        if name.startswith("psize_") and not (NUMBER.fullmatch(value) and 1 <= int(value) <= MAX_PAGE_SIZE):
            abort(400, description=_("A page holds 1 to %(most)s rows.", most=MAX_PAGE_SIZE))
        if (match := _FILTER.fullmatch(name)) and not _is_filter(int(match[1]), match[2]):
            _refuse(name)
        if name.startswith("_oc_") and not _may_order(name[4:], value):
            abort(400, description=_("This list can't be sorted by “%(column)s”.", column=value[:40]))


def _may_order(view_name: str, column: str) -> bool:
    view = next((each for each in _views() if type(each).__name__ == view_name), None)
    return view is not None and column in (getattr(view, "order_columns", None) or [])


def _is_filter(index: int, column: str) -> bool:
    """Whether the view that answers this request offers the filter."""
    view = next((each for each in _views() if each.endpoint == request.blueprint), None)
    if view is None or not hasattr(view, "datamodel"):
        return True
    if str(request.endpoint).endswith(tuple(f".{name}" for name in _FILTERED)):
        return _offers(view, index, column)
    offered = view.datamodel.get_filters(view.datamodel.get_columns_list())._all_filters.get(column, [])
    return index < len(offered)


def filters_of(view: Any, arguments: Iterable[tuple[str, str]]) -> Any:
    """The filters of a view's list that address arguments choose; answers 400 to one it doesn't offer."""
    found = view.datamodel.get_filters(search_columns=view.search_columns)
    for name, value in arguments:
        match = _FILTER.fullmatch(name)
        if match is None or not _offers(view, int(match[1]), match[2]):
            _refuse(name)
        else:
            found.add_filter_index(match[2], int(match[1]), [value])
    return found


def _offers(view: Any, index: int, column: str) -> bool:
    columns = list(view.search_columns)
    return column in columns and index < len(view.datamodel.get_filters(columns)._all_filters.get(column, []))


def _refuse(name: str) -> None:
    abort(400, description=_("This list has no such filter: %(name)s", name=name[:60]))


def _views() -> list[Any]:
    return list(current_app.appbuilder.baseviews)  # type: ignore[attr-defined]
