"""Going through a list of customers: opening one keeps the list, and the page leads to the next."""

from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.urltools import get_order_args, get_page_args, get_page_size_args
from flask_babel import gettext as _
from flask_babel import ngettext

from app.console import paging, selection, urls
from app.console.table import remembered_page_size
from app.hits import queue
from app.hits.queue import Place
from app.lib.row_id import row_id
from app.models import Customer

#: the page of a list of customers, to which their links lead back, as ``g.list_address``
SHOWN = "list_address"
#: the screens besides the list of customers itself that list customers
_LISTS = ("MyWorkView", "WorkspaceView")


class GoesThrough:
    """Mixin of the customer view: rows open in the queue of their list."""

    endpoint: str

    def row_url(self, item: Customer) -> str:
        """Return the address of a customer; from a list one that keeps the list."""
        address = g.get(SHOWN, "")
        if not address:
            return url_for(f"{self.endpoint}.show", pk=item.id)
        query = address.partition("?")[2]
        return url_for(f"{self.endpoint}.open", pk=item.id) + (f"?{query}" if query else "")

    @expose("/open/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("show")
    def open(self, pk: int) -> Any:
        """Keep the list of the query arguments in its order, and show a customer of it."""
        view: Any = self
        customer = view._row(pk)
        name = type(view).__name__
        rows = selection.checked(view).query()
        size = get_page_size_args().get(name) or remembered_page_size() or view.page_size
        first = max(0, (get_page_args().get(name) or 0) * size - queue.BEFORE)
        order = view.datamodel.order(*get_order_args().get(name, view.base_order))
        keys: Any = rows.with_entities(Customer.id).order_by(*order).offset(first).limit(queue.MOST)
        kept = queue.keep(
            g.user,
            urls.own_path(request.referrer) or view._list_url(),
            [row[0] for row in keys],
            first,
            paging.count_rows(rows),
            customer.id,
        )
        return redirect(url_for(f"{self.endpoint}.show", pk=pk, queue=kept.id))

    @expose("/again/<row_id:queue_id>", methods=["POST"])
    @has_access
    @permission_name("show")
    def again(self, queue_id: int) -> Any:
        """Begin again with the customers of a queue who were passed over."""
        kept = queue.again(g.user, queue_id)
        if kept is None:
            flash(_("Nobody of this list was passed over."), "info")
            return redirect(url_for(f"{self.endpoint}.list"))
        return redirect(url_for(f"{self.endpoint}.show", pk=kept.customers[0], queue=kept.id))


def place(customer: Customer) -> Place | None:
    """Return the customer's place in the queue that the request names; the menu marks the queue's list."""
    found = queue.place_of(g.user, row_id(_queue_id()), customer.id)
    if found is not None:
        path = found.queue.address.partition("?")[0]
        g.page_of = next((name for name in _LISTS if path == url_for(f"{name}.list")), "CustomerView")
    return found


def page_url(customer_id: int, **more: Any) -> str:
    """Return the address of a customer's page within the queue of the request."""
    return url_for("CustomerView.show", pk=customer_id, queue=_queue_id() or None, **more)


def after_saving(customer: Customer, hit_id: int) -> Any:
    """Redirect to the next customer when that was asked for, else to the same page."""
    here = place(customer)
    if request.form.get("then") != "next" or here is None:
        return redirect(page_url(customer.id, hit=hit_id) + "#contact")
    if here.following is None:
        return _at_the_end(customer, here, hit_id)
    return redirect(page_url(here.following))


def _at_the_end(customer: Customer, here: Place, hit_id: int) -> Any:
    """Stay, with the offer to begin again, while customers were passed over; else return to the list."""
    left = len(queue.passed_over(g.user, here.queue))
    if not left:
        flash(_("That was the last customer of the list."), "info")
        return redirect(here.queue.address)
    text = ngettext("%(num)s customer was passed over.", "%(num)s customers were passed over.", left)
    flash(_("That was the last customer of the list.") + " " + text, "info")
    return redirect(page_url(customer.id, hit=hit_id))


def _queue_id() -> str:
    return request.form.get("queue") or request.args.get("queue") or ""
