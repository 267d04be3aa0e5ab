"""My work: the user's counts of the day, and the customers behind each as a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from flask import g
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import func, select

from app.access.scope import customers_visible_to, supervises
from app.console import filter_row, paging
from app.console import table as lists
from app.console.access import view_of_model
from app.console.urls import list_url
from app.extensions import db
from app.hits.filters import customers_by_work
from app.models import Customer, CustomerState
from app.screens.hits import customer_page, queue

#: rows that a tab shows; its link opens the full list
MAX_ROWS = 100

#: what the customers of a tab are found by, in the full list
FILTERS = ("name", "tag", "segment")


@dataclass(frozen=True)
class Tab:
    """Customers who need attention, and their open hits; ``url`` opens their full list."""

    name: str
    text: str
    work: str
    count: int
    hits: int
    empty: str
    urgent: bool = False

    @property
    def order(self) -> tuple[str, str]:
        """The list's order: best grades first among the unclaimed, else the earliest date first."""
        return ("grade", "asc") if self.work == "unclaimed" else ("next_on", "asc")

    @property
    def filters(self) -> dict[str, Any]:
        """The filters of the full list."""
        state = CustomerState.BLOCKED if self.work == "mine_blocked" else CustomerState.OPEN
        return {"state": state, "work": self.work}

    @property
    def url(self) -> str:
        """The address of the full list."""
        return list_url("CustomerView", order=self.order, **self.filters)

    @property
    def counted(self) -> str:
        """The word for customers, and the number of their open hits in words."""
        customers = ngettext("customer", "customers", self.count)
        return f"{customers} · " + ngettext(
            "%(n)s open hit", "%(n)s open hits", self.hits, n=f"{self.hits:,}"
        )


def tabs() -> list[Tab]:
    """Return the user's tabs, most urgent first. Those without ``empty`` appear only when needed."""
    rows = [
        (
            "due",
            _("Due today or overdue"),
            "mine_due",
            _("Nobody is due today. Claim new customers, or see who is due later."),
            True,
        ),
        (
            "mine",
            _("My customers"),
            "mine",
            _("You have no customers. Claim some that are unclaimed."),
            False,
        ),
        ("unclaimed", _("Unclaimed"), "unclaimed", _("Every waiting customer has an assignee."), False),
    ]
    if supervises(g.user):
        text = _("No customer has been overdue for too long.")
        rows.append(("escalated", _("Escalated"), "escalated", text, True))
    rows.append(("asked", _("Handovers asked for"), "asked", "", True))
    rows.append(("blocked", _("Mine, nobody may contact"), "mine_blocked", "", False))
    found = [Tab(name, text, work, *_count(work), empty, urgent) for name, text, work, empty, urgent in rows]
    return [tab for tab in found if tab.count or tab.empty]


def _count(work: str) -> tuple[int, int]:
    """Return the numbers of customers in a state of work and of their open hits."""
    query = select(func.count(), func.coalesce(func.sum(Customer.open_hits), 0)).where(
        customers_by_work(g.user, work), customers_visible_to(g.user)
    )
    customers, hits = db.session.execute(query).one()
    return customers, hits


def select_tab(tabs: list[Tab], name: str) -> Tab | None:
    """Return the tab with a name, or None when there is none.

    Without a name, return the first urgent tab that is not empty, else the first tab.
    """
    if name:
        return next((tab for tab in tabs if tab.name == name), None)
    return next((tab for tab in tabs if tab.urgent and tab.count), tabs[0])


def table(tab: Tab) -> lists.Table:
    """Return the customers of a tab as a table, in the order of the list that the tab opens."""
    view: Any = view_of_model(Customer)
    query = (
        select(Customer)
        .where(customers_by_work(g.user, tab.work), customers_visible_to(g.user))
        .order_by(*view.datamodel.order(*tab.order))
        .limit(MAX_ROWS)
    )
    rows = list(db.session.scalars(query))
    customer_page.load(rows)
    setattr(g, queue.SHOWN, tab.url)
    counted = f"{tab.count:,} {tab.counted}"
    table = _build_table(view, view.list_columns, rows, tab.count, tab.url, tab.empty, counted)
    fields = filter_row.fields_of(view, FILTERS, tab.filters.items())
    return replace(table, fields=fields, shown_fields=len(fields))


def _build_table(
    view: Any, names: list[str], rows: list[Any], count: int, url: str, empty: str, counted: str = ""
) -> lists.Table:
    return lists.Table(
        view=type(view).__name__,
        columns=[
            lists.Column(
                name,
                str(view.label_columns[name]),
                lists.kind(view, name),
                term=view.column_terms.get(name, ""),
            )
            for name in names
        ],
        rows=[lists.row(view, names, item) for item in rows],
        count=paging.Count(count),
        page=0,
        page_size=MAX_ROWS,
        bulk=lists.bulk(view),
        links=[lists.Link(_("Full list"), url)],
        empty=empty,
        counted=counted,
        related=False,
        choices=lists.choices(view),
        paged=False,
    )
