"""A page of the list of customers within another page, such as the workspace."""

from __future__ import annotations

from typing import Any

from flask import g
from flask_appbuilder.urltools import get_page_args, get_page_size_args
from flask_babel import gettext as _

from app.console import paging, urls
from app.console import table as lists
from app.console.access import view_of_model
from app.lib import pointers
from app.models import Customer
from app.screens.hits import customer_page, queue
from app.selection import Selection


def page_of(
    empty: str, order: tuple[str, str] | None = None, *, bulk_stays: bool = False, **filters: Any
) -> lists.Table:
    """Return the page of customers that the request asks for, with the filters and order of their list.

    Its rows open in the queue of that list.
    """
    view: Any = view_of_model(Customer)
    name = type(view).__name__
    chosen = Selection(Customer, tuple(pointers.filters(**view.default_filters | filters)), g.user)
    rows = chosen.query()
    count = paging.count_rows(rows)
    size = get_page_size_args().get(name) or lists.remembered_page_size() or view.page_size
    number = min(get_page_args().get(name) or 0, max(count - 1, 0) // size)
    ordered = rows.order_by(*view.datamodel.order(*order or view.base_order))
    found = list(ordered.offset(number * size).limit(size))
    customer_page.load(found)
    address = urls.list_url(name, order=order, **filters)
    paged = {f"page_{name}": str(number), f"psize_{name}": str(size)}
    setattr(
        g, queue.SHOWN, urls.with_query(address.partition("?")[0], [*urls.query_of(address), *paged.items()])
    )
    arranged = view.arranged()
    return lists.Table(
        view=name,
        columns=[
            lists.Column(
                each,
                str(view.label_columns[each]),
                lists.kind(view, each),
                term=view.column_terms.get(each, ""),
            )
            for each in arranged.names
        ],
        rows=[lists.row(view, arranged.names, item) for item in found],
        count=count,
        page=number,
        page_size=size,
        bulk=lists.bulk(view),
        bulk_stays=bulk_stays,
        choices=lists.choices(view),
        no_choice=view.no_choice,
        warnings=view.warnings,
        links=[*view.contact_links(chosen), lists.Link(_("Full list"), address)],
        empty=empty,
        counted=view.count_in_words(count, rows),
        related=False,
        arranged=arranged,
    )
