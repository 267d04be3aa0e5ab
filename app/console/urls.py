"""Addresses of the current page with changed arguments, and of lists with filters.

A list's address holds a filter as ``_flt_<number>_<column>=<value>``. The number is the index of the operator
among those of the column (app/selection/columns.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import request, url_for

from app.console.access import view_named
from app.lib import pointers
from app.selection import operators_of

_FILTER = re.compile(r"_flt_(\d)_(.*)")


def here(
    drop: Iterable[str] = (), changed: Mapping[str, str] | None = None, *, page_one: bool = False
) -> str:
    """Return the current address with dropped and changed arguments; ``page_one`` drops the page number."""
    dropped, changed = set(drop), changed or {}
    kept = [
        (name, value)
        for name, value in request.args.items(multi=True)
        if value
        and name not in dropped
        and name not in changed
        and not (page_one and name.startswith("page_"))
    ]
    return with_query(request.path, kept + list(changed.items()))


def with_query(path: str, arguments: Iterable[tuple[str, Any]]) -> str:
    """Return a path with query arguments, the path alone without any."""
    query = urlencode(list(arguments))
    return f"{path}?{query}" if query else path


def query_of(address: str) -> list[tuple[str, str]]:
    """Return the query arguments of an address."""
    return parse_qsl(urlsplit(address).query)


def own_path(url: str | None) -> str | None:
    """Return the path and query of an address on this site, None for any other."""
    if not url:
        return None
    parts = urlsplit(url)
    # Browsers read a backslash as a slash, so it could lead to another site.
    ours = parts.netloc in ("", request.host) and parts.path.startswith("/") and "\\" not in url
    if not ours or parts.path.startswith("//"):
        return None
    return parts.path + (f"?{parts.query}" if parts.query else "")


def argument(model: type[Any], column: str, operator: str = "is") -> str:
    """Return the query argument of a filter. Raises LookupError for a filter that doesn't exist."""
    offered = operators_of(model, column)
    if operator not in offered:
        raise LookupError(f"{model.__name__} has no filter {column} {operator}")
    return f"_flt_{offered.index(operator)}_{column}"


def is_filter(name: str) -> bool:
    """Return whether a query argument has the form of a filter."""
    return _FILTER.search(name) is not None


def column_and_operator(model: type[Any], name: str) -> tuple[str, str] | None:
    """Return column and operator of a query argument, None when ``model`` has no such filter."""
    match = _FILTER.fullmatch(name)
    offered = operators_of(model, match[2]) if match else ()
    number = int(match[1]) if match else 0
    return (match[2], offered[number]) if match and number < len(offered) else None


def list_url(
    view: str, /, *, exact: bool = False, order: tuple[str, str] | None = None, **filters: Any
) -> str:
    """Return the address of a view's list with filters ``column=value`` or ``column__operator=value``.

    None is skipped; ``exact`` asks for an exact count, ``order`` is a column and its direction. Raises
    LookupError for a filter that doesn't exist.
    """
    registered: Any = view_named(view)
    query: dict[str, Any] = {"exact": "1"} if exact else {}
    if order is not None:
        query |= {f"_oc_{view}": order[0], f"_od_{view}": order[1]}
    for column, operator, value in pointers.filters(**filters):
        if column not in registered.search_columns:
            raise LookupError(f"{view} is not searched by {column}")
        query[argument(registered.model, column, operator)] = value
    return url_for(f"{view}.list", **query)


def filtered(path: str, model: type[Any], filters: Iterable[Sequence[str]]) -> str:
    """Return a path with stored filters as query arguments, dropping those that ``model`` no longer has."""
    return with_query(path, arguments(model, filters))


def arguments(model: type[Any], filters: Iterable[Sequence[str]]) -> list[tuple[str, str]]:
    """Return stored filters as query arguments, dropping those that ``model`` no longer has."""
    return [
        (argument(model, column, operator), value)
        for column, operator, value in filters
        if operator in operators_of(model, column)
    ]
