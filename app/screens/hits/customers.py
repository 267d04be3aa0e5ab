"""The list and the page of customers, the unit of work: one row and one owner each, with their hits."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, g, render_template, request
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from sqlalchemy import func, select
from wtforms import StringField

from app import labels
from app.console import formats
from app.console.access import may
from app.console.data import ConsoleInterface
from app.console.table import Link
from app.console.urls import list_url
from app.console.view import ConsoleView
from app.errors import DomainError
from app.extensions import db
from app.hits import assignment, owner, together, undo
from app.hits import steps as work
from app.models import Customer, CustomerState
from app.outreach import by_hand
from app.screens.hits import customer_page, forms
from app.screens.hits import labels as hit_labels
from app.screens.hits.assigning import AssignsWholeList
from app.screens.hits.each import Undo, apply_to_each, taken_back, undone_by
from app.screens.hits.queue import SHOWN, GoesThrough
from app.screens.hits.special_filters import CUSTOMER_FILTERS
from app.screens.leads import page as lead_page
from app.screens.outreach.views import ContactsCustomers
from app.screens.privacy.views import ExportsList
from app.screens.timeline import views as timeline


def customers_claimed(n: int) -> str:
    """Return the message about claimed customers."""
    return ngettext("%(num)s customer claimed.", "%(num)s customers claimed.", n)


def customers_assigned(n: int) -> str:
    """Return the message about assigned customers."""
    return ngettext("%(num)s customer assigned.", "%(num)s customers assigned.", n)


def _given_back(n: int) -> str:
    return ngettext("%(num)s customer given back.", "%(num)s customers given back.", n)


def _closed(n: int) -> str:
    return ngettext("The hits of %(num)s customer closed.", "The hits of %(num)s customers closed.", n)


class OwnsCustomers:
    """Mixin of the customer view: what changes the owner, one customer at a time or in bulk."""

    def choices_of(self, action: str) -> list[tuple[str, str]] | None:
        """Return the assignees and the reasons for closing, for the bulk actions that ask for one."""
        if action in ("assign", "hand_over"):
            people = [each for each in assignment.assignees(g.user) if action == "assign" or each != g.user]
            return assignment.labelled(people)
        return forms.bulk_close_reasons() if action == "close" else None

    def offers(self, action: str, item: Customer) -> bool:
        """Whether the owner and the state of a customer allow an action."""
        return action not in OWNER_STEPS or owner.is_allowed(item, action, g.user)

    @action("claim", lazy_gettext("Claim"))
    def claim(self, items: Any) -> Any:
        """认领: make the user the owner."""
        rows = _rows(items)
        apply_to_each(
            rows,
            lambda customer: owner.claim(customer, g.user),
            customers_claimed,
            lambda done: undone_by("give_back", done),
        )
        return self.back()  # type: ignore[attr-defined]

    @action("assign", lazy_gettext("Assign to"), single=False)
    def assign(self, items: list[Customer]) -> Any:
        """分配: make a marketer the owner of the ticked customers."""
        assign_to(items, request.form.get("choice_assign", ""))
        return self.back()  # type: ignore[attr-defined]

    def assign_rows(self, items: list[Customer], key: str) -> None:
        """Make the person with a key the owner of customers. Raises DomainError when they can't be chosen."""
        assign_to(items, key)

    @action("hand_over", lazy_gettext("Hand over to"), single=False)
    def hand_over(self, items: list[Customer]) -> Any:
        """移交给: make a colleague the owner of the user's own customers."""
        assign_to(items, request.form.get("choice_hand_over", ""))
        return self.back()  # type: ignore[attr-defined]

    @action("give_back", lazy_gettext("Give back"))
    def give_back(self, items: Any) -> Any:
        """退回: leave the customers to whoever claims them next."""
        rows = _rows(items)
        own = all(each.owner_id == g.user.id for each in rows)
        apply_to_each(
            rows,
            lambda customer: owner.give_back(customer, g.user),
            _given_back,
            lambda done: undone_by("claim", done) if own else None,
        )
        return self.back()  # type: ignore[attr-defined]

    @action("ask", lazy_gettext("Ask for a handover"), multiple=False)
    def ask(self, item: Customer) -> Any:
        """请求移交: ask the owner for the customer."""
        owner.ask(item, g.user)
        db.session.commit()
        name = hit_labels.owner(item)
        flash(_("%(owner)s has been asked to hand the customer over.", owner=name), "success")
        return self.back()  # type: ignore[attr-defined]

    @action("grant", lazy_gettext("Hand over"), multiple=False)
    def grant(self, item: Customer) -> Any:
        """同意移交: hand the customer over to the colleague who asked."""
        if item.asked_by is None:
            raise DomainError("Nobody asks for %(lead)s.", lead=str(item.lead))
        asked_by = item.asked_by
        owner.hand_over(item, asked_by, g.user)
        db.session.commit()
        flash(_("Handed over to %(person)s.", person=asked_by.get_full_name()), "success")
        return self.back()  # type: ignore[attr-defined]

    @action("decline", lazy_gettext("Keep the customer"), multiple=False)
    def decline(self, item: Customer) -> Any:
        """拒绝移交: keep the customer."""
        owner.decline(item, g.user)
        db.session.commit()
        flash(_("The customer stays with %(owner)s.", owner=hit_labels.owner(item)), "success")
        return self.back()  # type: ignore[attr-defined]

    @expose("/activity/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("show")
    def activity(self, pk: int) -> Any:
        """Return the customer's activity and facts, which the page loads by itself."""
        lead = self._row(pk).lead  # type: ignore[attr-defined]
        days = render_template(
            "schedules/days.html", calendar=lead_page.calendar(lead), looks=None, when=formats.when
        )
        return days + render_template("leads/facts.html", **lead_page.facts(lead))

    @expose("/allow_call/<row_id:pk>", methods=["POST"])
    @has_access
    def allow_call(self, pk: int) -> Any:
        """Let calls to the customer outside contact hours pass today, with the posted reason."""
        customer = self._row(pk)  # type: ignore[attr-defined]
        if customer.hit is None:
            abort(404)
        try:
            by_hand.allow(customer.hit, g.user, request.form.get("reason"))
            db.session.commit()
            flash(_("The customer may be called today."), "success")
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
        return self.back()  # type: ignore[attr-defined]

    def warned_of(self, item: Customer) -> tuple[str, ...]:
        """Return that closing warns of a customer who has bought."""
        return ("close",) if item.id in g.get("bought", ()) else ()

    @action("close", lazy_gettext("Close"), single=False)
    def close(self, items: list[Customer]) -> Any:
        """Close every open hit of the ticked customers; a refusal also means do not disturb."""
        reason = work.reason_of(request.form.get("choice_close"))

        def close(customer: Customer) -> None:
            together.close(customer.id, g.user, reason, suppress=True)

        apply_to_each(
            items, close, _closed, lambda done: taken_back(undo.newest_with(each, g.user) for each in done)
        )
        return self.back()  # type: ignore[attr-defined]


OWNER_STEPS = ("claim", "give_back", "ask", "grant", "decline")


def assign_to(customers: list[Customer], key: str) -> None:
    """Make the person with a key the owner of customers. Raises DomainError when they can't be chosen."""
    assignee = {str(user.id): user for user in assignment.assignees(g.user)}.get(key)
    if assignee is None:
        raise DomainError("Choose an assignee.")
    before = {customer.owner_id for customer in customers}

    def back(done: list[Customer]) -> Undo | None:
        if not may("assign", "CustomerView"):
            return None
        if before == {None}:
            return undone_by("give_back", done)
        one = next(iter(before)) if len(before) == 1 else None
        return undone_by("assign", done, choice_assign=str(one)) if one else None

    apply_to_each(customers, lambda each: owner.hand_over(each, assignee, g.user), customers_assigned, back)


def _rows(items: Any) -> list[Customer]:
    return items if isinstance(items, list) else [items]


class CustomerView(GoesThrough, OwnsCustomers, AssignsWholeList, ContactsCustomers, ExportsList, ConsoleView):
    """高潜客户: customers with hits, one row each."""

    model = Customer
    show_template = "hits/customer.html"
    export_kind = "customers"
    special_filters = CUSTOMER_FILTERS
    search_form_extra_fields = {name: StringField() for name in CUSTOMER_FILTERS}
    default_filters = {"state": CustomerState.OPEN}
    no_choice = {"hand_over": hit_labels.NO_COLLEAGUE}
    warnings = {"close": hit_labels.BOUGHT_AMONG}
    hides = ("state", CustomerState.BLOCKED)
    computed = {
        "customer": hit_labels.customer,
        "phone": lambda item: item.lead.phone_masked,
        "reason": hit_labels.newest_reason,
        "held_by": hit_labels.held_by,
        "last_contact": lambda item: hit_labels.last_contact(item.id),
        "next": hit_labels.next_contact,
        "how": hit_labels.customer_status,
        "branch": lambda item: item.lead.branch.name if item.lead.branch else "",
    }
    base_permissions = [
        "can_list",
        "can_show",
        "can_export_all",
        "can_export_clear",
        "claim",
        "assign",
        "give_back",
        "hand_over",
        "ask",
        "grant",
        "decline",
        "close",
        "export",
        "can_contact_many",
        "can_contact_one",
        "can_assign_all",
        "can_allow_call",
        "sms",
        "call",
    ]
    page_only = frozenset({"ask", "grant", "decline"})
    add_columns = edit_columns = ["status"]
    about = lazy_gettext("Customers with open hits, one row each with its owner.")
    empty_next = ("JobRunView", "RuleView", "ImportBatchView")
    empty_hint = lazy_gettext(
        "No customer waits here. Rules in force are evaluated each morning for the previous day; customers "
        "with new hits appear here."
    )
    list_title = lazy_gettext("High-potential customers")
    show_title = lazy_gettext("Customer")
    base_order = ("hit_date", "desc")
    list_columns = [
        "customer",
        "phone",
        "grade",
        "reason",
        "open_hits",
        "how",
        "held_by",
        "last_contact",
        "next",
    ]
    more_columns = ("hit_date", "score", "branch", "source")
    order_columns = ["grade", "hit_date", "score", "next_on", "call_back_at", "open_hits"]
    shown_filters = 5
    search_columns = [
        "name",
        "state",
        "work",
        "grade",
        "rule",
        "status",
        "branch",
        "source",
        "owner",
        "tag",
        "segment",
        "hit_date",
        "next_on",
        "open_hits",
        "score",
        "given",
        "matrix",
        "bought",
        "batch",
    ]
    filter_choices = {"status": labels.ANY_HIT_STATUS, "grade": {grade: grade for grade in "ABCD"}}
    show_columns = ["lead", "branch", "source", "grade", "how"]
    label_columns = {
        "customer": lazy_gettext("Customer"),
        "name": lazy_gettext("Name or lead number"),
        "tag": lazy_gettext("Tag"),
        "segment": lazy_gettext("Segment"),
        "lead": lazy_gettext("Lead"),
        "phone": lazy_gettext("Phone"),
        "grade": lazy_gettext("Grade"),
        "reason": lazy_gettext("Newest reason"),
        "open_hits": lazy_gettext("Hits"),
        "how": lazy_gettext("Status"),
        "status": lazy_gettext("Status"),
        "held_by": lazy_gettext("Assignee"),
        "owner": lazy_gettext("Assignee"),
        "last_contact": lazy_gettext("Last contact"),
        "next": lazy_gettext("Next contact"),
        "next_on": lazy_gettext("Next contact"),
        "state": lazy_gettext("Customers"),
        "work": lazy_gettext("Work status"),
        "rule": lazy_gettext("Rule hit"),
        "source": lazy_gettext("Source channel"),
        "branch": lazy_gettext("Branch"),
        "hit_date": lazy_gettext("Hit date"),
        "score": lazy_gettext("Score"),
        "given": lazy_gettext("Assigned to me on"),
        "matrix": lazy_gettext("Matrix"),
        "bought": lazy_gettext("RFM group"),
        "batch": lazy_gettext("Outreach batch"),
    }
    column_terms = {"grade": "grade", "open_hits": "open_hits", "how": "status"}
    formatters_columns = {"grade": formats.tag({}, "grade"), "open_hits": formats.number}

    def hits_of(self, items: list[Any]) -> list[int]:
        """Return the newest hit of each customer that can be worked, for which they are contacted."""
        return [item.hit_id for item in items if item.hit_id]

    def list_links(self) -> list[Link]:
        """Return the links to the list of hits, and to contact or export the list."""
        hits = [Link(_("Hits"), list_url("HitView"))] if may("can_list", "HitView") else []
        return hits + self.contact_links() + self.assign_links() + self.export_links()

    def show_links(self, item: Customer) -> list[Link]:
        """Return the link to the customer's time line; contacting them is offered by the panel."""
        return timeline.links(item.lead)

    def heading(self, item: Customer) -> str:
        """Return the name and number of the lead."""
        return str(item.lead)

    def hidden_words(self, count: int, text: str) -> str:
        """Return how many customers nobody may contact."""
        return ngettext(
            "%(n)s customer whom nobody may contact is hidden (do not disturb, held out, converted)",
            "%(n)s customers whom nobody may contact are hidden (do not disturb, held out, converted)",
            count,
            n=text,
        )

    def counted(self, count: Any, list_filters: Any) -> str:
        """Return the numbers of customers and of their open hits."""
        joined = list_filters.get_joined_filters(self._base_filters)
        return self.count_in_words(count, self.datamodel.apply_filters(db.session.query(Customer), joined))

    def count_in_words(self, count: Any, rows: Any) -> str:
        """Return the numbers of the customers of a query and of their open hits, empty for an estimate."""
        customers = ngettext("%(n)s customer", "%(n)s customers", count, n=f"{count:,}")
        if not getattr(count, "exact", True):
            return ""
        inner = rows.with_entities(Customer.open_hits).order_by(None).subquery()
        hits = db.session.scalar(select(func.coalesce(func.sum(inner.c.open_hits), 0))) or 0
        return f"{customers} · " + ngettext("%(n)s open hit", "%(n)s open hits", hits, n=f"{hits:,}")

    def _interface(self) -> ConsoleInterface:
        data = super()._interface()
        data.ties = ("score",)
        data.orders = {
            ("grade", "asc"): (
                Customer.grade.asc(),
                Customer.hit_date.desc(),
                Customer.score.desc(),
                Customer.id.asc(),
            )
        }
        return data

    def _page(self, list_filters: Any, order: Any, page: int, size: int) -> tuple[int, list[Any], int]:
        count, rows, page = super()._page(list_filters, order, page, size)
        customer_page.load(rows)
        setattr(g, SHOWN, request.full_path)
        return count, rows, page

    def _get_show_widget(self, pk: Any, item: Customer, *args: Any, **kwargs: Any) -> dict[str, Any]:
        widgets: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        # The page has a card of the owner with these actions.
        widgets["show"].template_args["actions"] = []
        return widgets | customer_page.widgets(item)
