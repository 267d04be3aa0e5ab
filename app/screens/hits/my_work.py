"""My work: what waits for the user today, the customers of each part as a table, and the queue of the day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from flask import g, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import func, select

from app import labels
from app.access.scope import customers_visible_to, supervises
from app.console import filter_row, paging
from app.console import table as lists
from app.console.access import view_of_model
from app.console.figures import Figure, Note
from app.console.table import Link
from app.console.urls import list_url
from app.extensions import db
from app.hits import due, queue
from app.hits.filters import ANY_STATE, customers_by_work
from app.lib import clock
from app.models import Customer, CustomerState, WorkQueue
from app.outreach import by_hand
from app.screens.hits import customer_table

#: what the customers of a tab are found by, in the full list
FILTERS = ("name", "tag", "segment")
#: the tabs through which the queue of the day leads, in this order; without any, it leads through the last
DAY, FREE = ("calls", "due", "untouched"), "unclaimed"
#: states of work of customers whose day is told
DONE = ("talked_today", "converted_today", "closed_today")
#: state of work → order of its list; others begin with the earliest date
ORDERS = {
    "mine_calls": ("call_back_at", "asc"),
    "mine_untouched": ("grade", "asc"),
    "unclaimed": ("grade", "asc"),
}


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
    note: str = ""

    @property
    def order(self) -> tuple[str, str]:
        """The order of the list."""
        return ORDERS.get(self.work, ("next_on", "asc"))

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
    def hits_text(self) -> str:
        """The number of open hits in words."""
        return ngettext("%(n)s open hit", "%(n)s open hits", self.hits, n=f"{self.hits:,}")

    def figure(self, selected: Tab) -> Figure:
        """Return the number of customers, which opens the tab."""
        return Figure(
            self.text,
            self.count,
            url_for("MyWorkView.list", show=self.name),
            f"work_{self.name}",
            notes=[Note(self.hits_text), *([Note(self.note)] if self.note else [])],
            urgent=self.urgent,
            current=self.name == selected.name,
        )


def tabs() -> list[Tab]:
    """Return the user's tabs in the order of the day. Those without ``empty`` appear only when needed."""
    rows = [
        ("calls", _("To be called back now"), "mine_calls", _("No agreed call is due."), True),
        (
            "due",
            _("Due today or overdue"),
            "mine_due",
            _("Nobody is due today. Claim new customers, or see who is due later."),
            True,
        ),
        (
            "untouched",
            _("Claimed, not begun"),
            "mine_untouched",
            _("You have begun with all of your customers."),
            False,
        ),
        (
            FREE,
            _("Unclaimed"),
            "unclaimed",
            _("Every waiting customer has an assignee."),
            False,
        ),
        (
            "mine",
            _("My customers"),
            "mine",
            _("You have no customers. Claim some that are unclaimed."),
            False,
        ),
    ]
    if supervises(g.user):
        text = _("No customer has been overdue for too long.")
        rows.append(("escalated", _("Escalated"), "escalated", text, True))
    rows.append(("asked", _("Handovers asked for"), "asked", "", True))
    rows.append(("blocked", _("Mine, nobody may contact"), "mine_blocked", "", False))
    notes = {"calls": _agreed_later()}
    found = [
        Tab(name, text, work, *_count(work), empty, urgent, notes.get(name, ""))
        for name, text, work, empty, urgent in rows
    ]
    return [tab for tab in found if tab.count or tab.empty]


def _count(work: str) -> tuple[int, int]:
    """Return the numbers of customers in a state of work and of their open hits."""
    query = select(func.count(), func.coalesce(func.sum(Customer.open_hits), 0)).where(
        customers_by_work(g.user, work), customers_visible_to(g.user)
    )
    customers, hits = db.session.execute(query).one()
    return customers, hits


def _agreed_later() -> str:
    """Return how many calls are agreed for later today, and when the next one is; empty without any."""
    later = clock.now() + due.CALL_AHEAD
    end = due.midnight(clock.today() + dt.timedelta(days=1))
    query = select(func.count(), func.min(Customer.call_back_at)).where(
        *(due.mine(g.user), customers_visible_to(g.user)),
        *(Customer.call_back_at > later, Customer.call_back_at < end),
    )
    n, first = db.session.execute(query).one()
    return (
        _("%(n)s more agreed today, next at %(time)s", n=n, time=f"{labels.local(first):%H:%M}") if n else ""
    )


def done_today() -> list[Link]:
    """Return what the user did today, each a link to the customers of whom it is true; empty without any."""
    talked, converted, closed = (_count(work)[0] for work in DONE)
    words = (
        ngettext("result of %(num)s customer", "results of %(num)s customers", talked),
        ngettext("%(num)s marked as converted", "%(num)s marked as converted", converted),
        ngettext("%(num)s closed", "%(num)s closed", closed),
    )
    return [
        Link(text, list_url("CustomerView", state=ANY_STATE, work=work))
        for work, text, count in zip(DONE, words, (talked, converted, closed), strict=True)
        if count
    ]


def select_tab(tabs: list[Tab], name: str) -> Tab | None:
    """Return the tab with a name, or None when there is none.

    Without a name, return the first urgent tab that is not empty, else the first one with somebody.
    """
    if name:
        return next((tab for tab in tabs if tab.name == name), None)
    urgent = next((tab for tab in tabs if tab.urgent and tab.count), None)
    return urgent or next((tab for tab in tabs if tab.count), tabs[0])


def table(tab: Tab) -> lists.Table:
    """Return a page of the customers of a tab, in the order of the list that the tab opens."""
    view: Any = view_of_model(Customer)
    customers = ngettext("%(n)s customer", "%(n)s customers", tab.count, n=f"{tab.count:,}")
    fields = filter_row.fields_of(view, FILTERS, tab.filters.items())
    return replace(
        customer_table.page_of(tab.empty, tab.order, bulk_stays=True, **tab.filters),
        count=paging.Count(tab.count),
        counted=f"{customers} · {tab.hits_text}",
        fields=fields,
        shown_fields=len(fields),
    )


def to_start(tabs: list[Tab]) -> tuple[int, int]:
    """Return how many customers are in the queue of the day, and how many of them may not be called today."""
    keys = _day(tabs)
    return len(keys), len(by_hand.held_today(keys, g.user))


def start(tabs: list[Tab], name: str) -> WorkQueue | None:
    """Keep the queue of a tab, or without a name that of the day. Return it, None when nobody is in it."""
    chosen = [tab for tab in tabs if tab.name == name] if name else []
    keys = _held_last(_keys(chosen[0]) if chosen else _day(tabs))
    if not keys:
        return None
    address = url_for("MyWorkView.list", show=chosen[0].name if chosen else None)
    return queue.keep(g.user, address, keys, 0, chosen[0].count if chosen else len(keys), keys[0])


def _day(tabs: list[Tab]) -> list[int]:
    """Return the customers of the tabs of the day, each once; without any, those who are free."""
    named = {tab.name: tab for tab in tabs}
    keys = [key for name in DAY if name in named and named[name].count for key in _keys(named[name])]
    return list(dict.fromkeys(keys))[: queue.MOST] or _keys(named[FREE])


def _held_last(keys: list[int]) -> list[int]:
    """Return customers with those last who may not be called today."""
    held = by_hand.held_today(keys, g.user)
    return sorted(keys, key=lambda key: key in held)


def _keys(tab: Tab) -> list[int]:
    view: Any = view_of_model(Customer)
    query = (
        select(Customer.id)
        .where(customers_by_work(g.user, tab.work), customers_visible_to(g.user))
        .order_by(*view.datamodel.order(*tab.order))
        .limit(queue.MOST)
    )
    return list(db.session.scalars(query))
