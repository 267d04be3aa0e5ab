"""The screens of hits and their API."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from flask import abort, flash, g, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from sqlalchemy import select
from wtforms import StringField

from app import labels
from app.console import formats
from app.console.access import may, view_named
from app.console.data import ConsoleInterface, index_order
from app.console.table import Link
from app.console.undo import flash_undoable
from app.console.urls import list_url
from app.console.view import ConsoleView
from app.console.widgets import HitPaneWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.hits import assignment, owner, results, undo
from app.hits import steps as work
from app.hits.filters import ANY_STATE, CONTACTABLE
from app.lib.row_id import row_id
from app.lib.settings import current_settings
from app.models import Customer, CustomerState, Hit, HitEvent, HitStatus
from app.rules import conversions, describe
from app.rules.recompute import recompute
from app.screens.api.views import RowsApi
from app.screens.hits import customer_page, customers, forms, queue
from app.screens.hits import labels as hit_labels
from app.screens.hits import pane as page
from app.screens.hits.each import apply_to_each, taken_back, undone_by
from app.screens.hits.special_filters import HIT_FILTERS
from app.screens.outreach.views import ContactsCustomers
from app.screens.privacy.views import ExportsList
from app.screens.timeline import views as timeline


def _hits_started(n: int) -> str:
    return _("%(n)s hits are now in progress.", n=n)


def _hits_reopened(n: int) -> str:
    return _("%(n)s hits reactivated.", n=n)


def _hits_closed(n: int) -> str:
    return _("%(n)s hits closed.", n=n)


def _steps_taken_back(n: int) -> str:
    return ngettext("%(num)s step taken back.", "%(num)s steps taken back.", n)


def _marked() -> str:
    if conversions.judged_by_outcomes():
        return _("Marked as converted; it counts once the bank's system confirms the purchase.")
    return _("Marked as converted.")


_STEP_TAKEN: dict[str, Callable[[], str]] = {
    "follow_up": lambda: _("Follow-up saved."),
    "convert": _marked,
    "close": lambda: _("Closed."),
    "correct": lambda: _("Conversion corrected."),
}


class WorksHits:
    """Mixin of the hit view: the steps in the work on hits, one at a time or in bulk."""

    def choices_of(self, action: str) -> list[tuple[str, str]] | None:
        """Return the assignees and the reasons for closing, for the bulk actions that ask for one."""
        if action == "assign":
            return assignment.labelled(assignment.assignees(g.user))
        return forms.bulk_close_reasons() if action == "close" else None

    def offers(self, action: str, item: Hit) -> bool:
        """Whether a hit's status and owner allow a step."""
        if action not in ("claim", "start", "follow_up", "reopen"):
            return True
        if action == "claim":
            free = item.owner_id is None and item.status in owner.OPEN
            return free and not (item.opted_out or item.holdout or item.bought)
        # Contacting a waiting hit claims its customer and opens its pane.
        idle = action == "follow_up" and item.status == HitStatus.WAITING
        return work.is_allowed(item, action, g.user) and not idle

    @action("claim", lazy_gettext("Claim"))
    def claim(self, items: Any) -> Any:
        """认领: make the user the owner of the hits' customers."""
        apply_to_each(
            _customers(items),
            lambda customer: owner.claim(customer, g.user),
            customers.customers_claimed,
            lambda done: undone_by("give_back", done),
        )
        return self.back()  # type: ignore[attr-defined]

    @action("start", lazy_gettext("Contact"), multiple=False)
    def start(self, item: Hit) -> Any:
        """单独联系: start work on a hit and open its contact pane."""
        self._apply_to_each(item, lambda hit: work.start(hit, g.user), _hits_started)
        return self._redirect_to_pane(item)

    @action("follow_up", lazy_gettext("Follow up"), multiple=False)
    def follow_up(self, item: Hit) -> Any:
        """跟进进度: open the contact pane."""
        return self._redirect_to_pane(item)

    @action("reopen", lazy_gettext("Reactivate"))
    def reopen(self, items: Any) -> Any:
        """再次激活: put closed hits back to waiting."""
        return self._apply_to_each(items, lambda hit: work.reopen(hit, g.user), _hits_reopened)

    @action("assign", lazy_gettext("Assign to"), single=False)
    def assign(self, items: list[Hit]) -> Any:
        """分配: make a marketer the owner of the ticked hits' customers."""
        customers.assign_to(_customers(items), request.form.get("choice_assign", ""))
        return self.back()  # type: ignore[attr-defined]

    def warned_of(self, item: Hit) -> tuple[str, ...]:
        """Return that closing warns of a hit that an outcome converted."""
        return ("close",) if item.bought else ()

    @action("close", lazy_gettext("Close"), single=False)
    def close(self, items: list[Hit]) -> Any:
        """Close the ticked hits; a refusal also puts the customers on the do-not-disturb list."""
        reason = work.reason_of(request.form.get("choice_close"))

        def close(hit: Hit) -> None:
            work.close(hit, g.user, reason, suppress=True)

        apply_to_each(
            items, close, _hits_closed, lambda done: taken_back(undo.newest(hit, g.user) for hit in done)
        )
        return self.back()  # type: ignore[attr-defined]

    @expose("/work/<row_id:pk>/<any(follow_up, convert, close, correct):step>", methods=["POST"])
    @has_access
    def work(self, pk: int, step: str) -> Any:
        """Take a step with its posted form; a refused form is shown again with its errors."""
        view: Any = self
        hit = view._row(pk)
        as_customer = _from_customer()
        form = forms.posted_form(step, hit, as_customer=as_customer)
        try:
            if form.validate():
                forms.apply_step(step, hit, form, g.user, as_customer=as_customer)
                event = _newest(hit)
                db.session.commit()
                _say(_saved(step, form, hit), event)
                return self._redirect_to_pane(hit)
        except DomainError as error:
            db.session.rollback()
            _show_on_form(form, error)
        g.hit_form, g.hit_worked = (step, form), hit.id
        if _from_customer():
            g.page_of = "CustomerView"
            return view_named("CustomerView").show(hit.lead_id)  # type: ignore[union-attr]
        return view.show(pk)

    @expose("/undo/<row_id:pk>", methods=["POST"])
    @has_access
    @permission_name("work")
    def undo(self, pk: int) -> Any:
        """Take back the user's newest step on a hit, and show its page."""
        view: Any = self
        hit = view._row(pk)
        try:
            event = undo.take_back(hit, row_id(request.form.get("event")), g.user)
            db.session.commit()
            flash(_("Taken back: %(what)s.", what=hit_labels.step(event)), "success")
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
        return self._redirect_to_pane(hit)

    @expose("/undo_many", methods=["POST"])
    @has_access
    @permission_name("work")
    def undo_many(self) -> Any:
        """Take back the user's steps on several hits, the newest first, each in a transaction of its own."""
        view: Any = self
        keys = [row_id(key) for key in request.form.getlist("event")]
        events = db.session.scalars(select(HitEvent).where(HitEvent.id.in_(keys))).all()
        hits = {event.id: view._row(event.hit_id) for event in events}
        apply_to_each(
            events,
            lambda event: undo.take_back(hits[event.id], event.id, g.user),
            _steps_taken_back,
            newest_first=True,
        )
        return view.back()

    def _get_show_widget(self, pk: Any, item: Hit, *args: Any, **kwargs: Any) -> dict[str, Any]:
        pane = HitPaneWidget(**page.pane(item, g.get("hit_form")))
        widgets: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)  # type: ignore[misc]
        return widgets | {"pane": pane} | customer_page.other_hits(item) | customer_page.told(item)

    def _redirect_to_pane(self, hit: Hit) -> Any:
        if _from_customer():
            return queue.after_saving(owner.of_hit(hit), hit.id)
        return redirect(url_for("HitView.show", pk=hit.id) + "#contact")

    def _apply_to_each(self, items: Any, step: Callable[[Hit], None], done: Callable[[int], str]) -> Any:
        apply_to_each(items if isinstance(items, list) else [items], step, done)
        return self.back()  # type: ignore[attr-defined]


def _newest(hit: Hit) -> HitEvent | None:
    """Return the user's newest step on a hit, or on any of its customer where the form is about them."""
    if _from_customer():
        return undo.newest_with(owner.of_hit(hit), g.user)
    return undo.newest(hit, g.user)


def _saved(step: str, form: Any, hit: Hit) -> str:
    """Return the message about a step, or about the result of a contact, which names the customer.

    The next customer may be shown by then.
    """
    result = results.result_of(form.result.data) if step == "follow_up" else None
    name = hit.lead.name
    if result:
        return _("Saved: %(customer)s, %(result)s.", customer=name, result=results.name_of(result))
    return _("%(customer)s: %(what)s", customer=name, what=_STEP_TAKEN[step]())


def _say(text: str, event: HitEvent | None) -> None:
    """Say what was done, with the button that takes the step back."""
    if event is None:
        flash(text, "success")
        return
    place = {name: request.form.get(name) for name in ("page", "queue")}
    fields = [("event", str(event.id)), *((name, value) for name, value in place.items() if value)]
    flash_undoable(text, url_for("HitView.undo", pk=event.hit_id), fields)


def _from_customer() -> bool:
    """Whether a form stands on the page of a customer, to which it returns."""
    return request.form.get("page") == "customer" and may("can_show", "CustomerView")


def _customers(items: Any) -> list[Customer]:
    """Return the customers of hits, each once."""
    hits = items if isinstance(items, list) else [items]
    return list({hit.lead_id: owner.of_hit(hit) for hit in hits}.values())


class HitView(WorksHits, ContactsCustomers, ExportsList, ConsoleView):
    """高潜线索: leads that met a rule."""

    model = Hit
    page_only = frozenset({"recompute"})
    warnings = {"close": hit_labels.BOUGHT_AMONG}
    show_template = "hits/frame.html"
    export_kind = "hits"
    special_filters = HIT_FILTERS
    search_form_extra_fields = {name: StringField() for name in HIT_FILTERS}
    default_filters = {"state": CONTACTABLE}
    hides = ("state", CustomerState.BLOCKED)
    computed = {
        "status": hit_labels.status,
        "phone": lambda item: item.lead.phone_masked,
        "held_by": lambda item: hit_labels.owner(item) if item.owner else "",
        "last_contact": lambda item: hit_labels.last_contact(item.lead_id),
        "next": hit_labels.next_date,
        "branch": lambda item: item.lead.branch.name if item.lead.branch else "",
        "source": hit_labels.source,
        "arithmetic": describe.arithmetic,
        "reason": describe.reason,
        "seen_at": describe.seen_at,
    }
    base_permissions = [
        "can_list",
        "can_show",
        "can_export_all",
        "can_export_clear",
        "can_work",
        "claim",
        "start",
        "follow_up",
        "reopen",
        "assign",
        "close",
        "recompute",
        "export",
        "can_contact_many",
        "can_contact_one",
        "sms",
        "call",
    ]
    add_columns = edit_columns = ["status"]
    about = lazy_gettext("Leads that a rule caught, one row for each hit with its reason, score and grade.")
    empty_next = ("JobRunView", "RuleView", "ImportBatchView")
    empty_hint = lazy_gettext(
        "No hits yet. Rules in force are evaluated each morning for the previous day; the hits appear here."
    )
    list_title = lazy_gettext("Hits")
    show_title = lazy_gettext("Hit")
    base_order = ("hit_date", "desc")
    list_columns = ["lead", "phone", "grade", "rule", "reason", "hit_date", "status", "held_by"]
    more_columns = ("next", "last_contact", "source", "branch", "score", "version", "made_on")
    same_in_related = frozenset({"phone"})
    order_columns = ["grade", "hit_date", "status", "score"]
    shown_filters = 5
    search_columns = [
        "name",
        "status",
        "work",
        "grade",
        "rule",
        "state",
        "hit_date",
        "source",
        "branch",
        "owner",
        "tag",
        "segment",
        "close_reason",
        "next_on",
        "made_on",
        "score",
        "reach",
        "success",
        "holdout",
        "push",
        "rule_version",
        "first_channel",
        "first_template",
        "first_hour",
        "given",
    ]
    filter_choices = {"status": labels.HIT_STATUS, "grade": {grade: grade for grade in "ABCD"}}
    show_columns = ["lead", "source", "rule", "hit_date", "status", "outcome_on"]
    show_fieldsets = [
        (None, {"fields": show_columns}),
        (
            lazy_gettext("More about this hit"),
            {
                "fields": ["version", "grade", "last_met_on", "opted_out", "holdout", "created_at"],
                "expanded": False,
            },
        ),
    ]
    label_columns = {
        "name": lazy_gettext("Name or lead number"),
        "state": lazy_gettext("Hits"),
        "tag": lazy_gettext("Tag"),
        "segment": lazy_gettext("Segment"),
        "lead": lazy_gettext("Lead"),
        "phone": lazy_gettext("Phone"),
        "held_by": lazy_gettext("Assignee"),
        "last_contact": lazy_gettext("Last contact"),
        "next": lazy_gettext("Next contact"),
        "grade": lazy_gettext("Grade"),
        "score": lazy_gettext("Score"),
        "rule": lazy_gettext("Rule hit"),
        "version": lazy_gettext("Rule version"),
        "reason": lazy_gettext("Reason"),
        "arithmetic": lazy_gettext("Score calculation"),
        "seen_at": lazy_gettext("First and last event"),
        "hit_date": lazy_gettext("Hit date"),
        "last_met_on": lazy_gettext("Last met on"),
        "outcome_on": lazy_gettext("Outcome on"),
        "success": lazy_gettext("Conversion"),
        "status": lazy_gettext("Status"),
        "push": lazy_gettext("Push"),
        "reach": lazy_gettext("Stage reached"),
        "rule_version": lazy_gettext("Rule version"),
        "first_channel": lazy_gettext("First contact channel"),
        "first_template": lazy_gettext("First contact template"),
        "first_hour": lazy_gettext("First contact time"),
        "given": lazy_gettext("Assigned to me on"),
        "work": lazy_gettext("Work status"),
        "source": lazy_gettext("Source channel"),
        "branch": lazy_gettext("Branch"),
        "owner": lazy_gettext("Assignee"),
        "close_reason": lazy_gettext("Reason for closing"),
        "next_on": lazy_gettext("Next contact"),
        "made_on": lazy_gettext("Appeared on"),
        "opted_out": lazy_gettext("Do not disturb"),
        "holdout": lazy_gettext("Held out"),
        "created_at": lazy_gettext("Created"),
    }
    column_terms = {"grade": "grade", "reason": "reason", "hit_date": "hit_date", "status": "status"}
    formatters_columns = {
        "grade": formats.tag({}, "grade"),
        "rule": hit_labels.rule,
        "opted_out": labels.yes_no,
        "holdout": labels.yes_no,
        "created_at": formats.when,
    }

    def defaults(self, chosen: Collection[str]) -> Mapping[str, str]:
        """Hide whom nobody may contact from the bare list only: links of numbers show what they count."""
        return {"state": ANY_STATE} if chosen and "state" not in chosen else self.default_filters

    def hidden_words(self, count: int, text: str) -> str:
        """Return how many hits are of people whom nobody may contact."""
        return ngettext(
            "%(n)s hit whose customer nobody may contact is hidden (do not disturb, held out, converted)",
            "%(n)s hits whose customers nobody may contact are hidden (do not disturb, held out, converted)",
            count,
            n=text,
        )

    def list_links(self) -> list[Link]:
        """Return the links to the list of customers, and to contact or export the list."""
        customers = (
            [Link(_("Customers"), list_url("CustomerView"))] if may("can_list", "CustomerView") else []
        )
        return customers + self.contact_links() + self.export_links()

    def show_links(self, item: Hit) -> list[Link]:
        """Return the link to the customer's time line; contacting them is offered by the panel."""
        return timeline.links(item.lead)

    def _show(self, pk: Any) -> Any:
        """Show a hit; a withdrawn one is on no list, and the customer's page tells what became of it."""
        hit = db.session.get(Hit, key) if (key := row_id(str(pk))) else None
        if hit is not None and hit.status == HitStatus.WITHDRAWN and may("can_show", "CustomerView"):
            abort(redirect(url_for("CustomerView.show", pk=hit.lead_id, hit=hit.id)))
        return super()._show(pk)

    def heading(self, item: Hit) -> str:
        """Return the lead and the name of the rule."""
        return f"{item.lead} · {item.rule.name}"

    def _interface(self) -> ConsoleInterface:
        data = super()._interface()
        data.ties = ("score",)
        best_first = (Hit.grade, Hit.hit_date.desc(), Hit.score.desc(), Hit.id)
        data.orders = index_order(*best_first) | index_order(Hit.status, Hit.hit_date, Hit.id)
        return data

    def _page(self, list_filters: Any, order: Any, page: int, size: int) -> tuple[int, list[Any], int]:
        count, rows, page = super()._page(list_filters, order, page, size)
        customer_page.load_of_hits(rows)
        return count, rows, page

    @action("recompute", lazy_gettext("Recompute"), multiple=False)
    def recompute(self, item: Hit) -> Any:
        """Evaluate the rule version again and report whether it still agrees with the hit; change nothing."""
        differences = recompute(current_settings(), item)
        if differences:
            flash(
                _("Recomputed; the result now differs: %(what)s", what=describe.differences(differences)),
                "warning",
            )
        else:
            flash(_("Recomputed; data and rule version still agree with this hit."), "success")
        return redirect(url_for("HitView.show", pk=item.id))


def _show_on_form(form: Any, error: DomainError) -> None:
    if isinstance(error, FieldError) and error.field in form._fields:
        form[error.field].errors = [*form[error.field].errors, error.text()]
    else:
        flash(error.text(), "danger")


class HitApi(RowsApi):
    """Hits for the bank's own systems."""

    resource_name = "hits"
    datamodel = ConsoleInterface(Hit, db.session)
    list_columns = [
        "id",
        "rule.code",
        "version.number",
        "lead.lead_no",
        "hit_date",
        "grade",
        "score",
        "status",
        "values",
        "opted_out",
        "holdout",
    ]
    show_columns = list_columns
    search_columns = ["status", "grade", "hit_date", "rule"]
    order_columns = ["id", "hit_date", "score"]
