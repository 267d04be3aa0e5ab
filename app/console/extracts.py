"""Parts of lists on other pages: how many rows a list has, and its first rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import g
from flask_babel import gettext as _

from app.console import paging, urls
from app.console import table as lists
from app.console.access import may, view_named
from app.console.figures import Figure, Note
from app.extensions import db
from app.lib import pointers
from app.selection import criterion


def counted(
    view: str, name: str, term: str, *, urgent: bool = False, notes: Sequence[Note] = (), **filters: Any
) -> list[Figure]:
    """Return the number of rows of a view's list with filters, which opens the list.

    Nothing for a user who may not list them.
    """
    if not may("can_list", view):
        return []
    count = paging.count_rows(_rows(view, filters))
    text = "" if count.exact else _("about %(n)s", n=f"{count:,}")
    url = urls.list_url(view, **filters)
    return [Figure(name, count, url, term, text=text, urgent=urgent, notes=notes)]


def newest(view: str, n: int, columns: Sequence[str], **filters: Any) -> lists.Table | None:
    """Return the first rows of a view's list, None for a user who may not list them."""
    if not may("can_list", view):
        return None
    registered: Any = view_named(view)
    names = list(columns)
    order = registered.datamodel.order(*registered.base_order)
    rows = list(_rows(view, filters).order_by(*order).limit(n))
    lists.load_related(registered, rows, names)
    return lists.Table(
        view=view,
        columns=[
            lists.Column(each, str(registered.label_columns[each]), lists.kind(registered, each))
            for each in names
        ],
        rows=[_row(registered, names, item) for item in rows],
        count=len(rows),
        page=0,
        page_size=n,
        bulk=[],
        links=[lists.Link(_("Full list"), urls.list_url(view, **filters))],
        empty=str(registered.empty_hint),
        related=True,
        counted=str(registered.list_title),
        paged=False,
    )


def _row(view: Any, names: list[str], item: Any) -> lists.Row:
    """Return a row whose page its first cell opens, without a second link to it."""
    row = lists.row(view, names, item)
    page = view.row_url(item)
    return replace(row, links=[link for link in row.links if link.url != page])


def _rows(view: str, filters: dict[str, Any]) -> Any:
    """Return a query for the rows of a list: in scope, with its own, the default and the given filters."""
    registered: Any = view_named(view)
    model = registered.model
    columns = {name.partition("__")[0] for name in filters}
    chosen = registered.defaults(columns) | filters
    criteria = [criterion(model, each, g.user) for each in pointers.filters(**chosen)]
    return registered._base_filters.apply_all(db.session.query(model)).filter(*criteria)
