"""Selections of rows made from the filters in a list's address, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import abort, g, request
from flask_babel import gettext as _

from app.console import filter_row, paging, urls
from app.errors import DomainError
from app.lib.pointers import Filter
from app.selection import Selection

#: hidden rows are counted up to this number
MOST_HIDDEN = 1000


def of_request(view: Any) -> Selection:
    """Return the selection of the request's filters within the user's scope."""
    chosen = filters_of(view, request.args.items(multi=True))
    columns = {column for column, _operator, _value in chosen}
    defaults = [(name, "is", value) for name, value in view.defaults(columns).items() if name not in columns]
    return Selection(view.model, (*chosen, *defaults), g.user)


def checked(view: Any) -> Selection:
    """Return the selection of the request's filters. Answer 400 to an invalid filter, as the list does."""
    selection = of_request(view)
    try:
        selection.criteria()
    except DomainError as error:
        abort(400, description=error.text())
    return selection


def url(path: str, selection: Selection) -> str:
    """Return a path of the same screen with the filters of a selection."""
    return urls.filtered(path, selection.model, selection.filters)


def filters_of(view: Any, arguments: Iterable[tuple[str, str]]) -> tuple[Filter, ...]:
    """Return the filters among query arguments. Raises DomainError for one that the list doesn't have."""
    result = []
    for name, value in arguments:
        if not urls.is_filter(name) or not value.strip():
            continue
        known = urls.column_and_operator(view.model, name)
        if known is None or known[0] not in view.search_columns:
            raise DomainError("This list has no such filter: %(name)s", name=name[:60])
        result.append((*known, value.strip()))
    return tuple(result)


def hidden_rows(view: Any) -> tuple[str, str]:
    """Return how many rows in the user's scope a default filter hides, and the address that shows them.

    Both are empty when it hides none, or when another value of it was chosen.
    """
    if view.hides is None:
        return "", ""
    column, value = view.hides
    now = of_request(view)
    if (column, "is", view.default_filters[column]) not in now.filters:
        return "", ""
    others = tuple(each for each in now.filters if each[0] != column)
    rows = Selection(now.model, (*others, (column, "is", value)), now.user).query()
    count = paging.count_up_to(rows, MOST_HIDDEN)
    if not count:
        return "", ""
    text = f"{count:,}" if count.exact else _("more than %(n)s", n=f"{count:,}")
    shown = {urls.argument(view.model, column): value}
    return view.hidden_words(count, text), urls.here(changed=shown, page_one=True)


def conditions(view: Any, filters: Iterable[Filter]) -> list[str]:
    """Return the filters of a view's list in words."""
    arguments = dict(urls.arguments(view.model, filters))
    return [
        filter_row.describe(field, each)
        for field in filter_row.fields(view, arguments)
        for each in field.inputs
        if each.name in arguments
    ]
