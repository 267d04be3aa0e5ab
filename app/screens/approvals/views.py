"""The screen of requests for approval, waiting and decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, flash, g, redirect, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.actions import action
from flask_appbuilder.security.decorators import permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import func, select
from wtforms import StringField

from app import approvals, labels
from app.approvals import filters as turns
from app.approvals.requests import DECIDE, why_cannot_decide
from app.console import formats, forms
from app.console.access import may
from app.console.filters import ChoiceFilter
from app.console.table import Link
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget, TurnoverWidget
from app.errors import DomainError
from app.extensions import db
from app.journeys import approval as journeys
from app.models import Approval, ApprovalStatus, JourneyVersion
from app.rules import approval
from app.screens.approvals.page import changes_table, subject_link, turnover_table
from app.screens.journeys.simulations import at_approval


class Turn(ChoiceFilter):
    """Requests by whom they wait for."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return what waits for the user, what the user asked for, and all."""
        return [
            (turns.MINE, _("Waiting for me")),
            (turns.OWN, _("Requested by me")),
            (turns.ALL, _("All requests")),
        ]


class ApprovalView(ConsoleView):
    """审批: requests of one person that another one decides."""

    model = Approval
    base_permissions = ["can_list", "can_show", "can_approve", "can_reject", "withdraw"]
    computed = {"difference": changes_table, "subject": subject_link}
    special_filters = {"turn": Turn}
    search_form_extra_fields = {"turn": StringField()}
    default_filters = {"turn": turns.MINE}
    about = lazy_gettext("Requests that need a second person, and their decisions.")
    empty_hint = lazy_gettext("No request waits for your decision.")
    list_title = lazy_gettext("Approvals")
    show_title = lazy_gettext("Request for approval")
    base_order = ("requested_at", "desc")
    list_columns = ["title", "kind", "status", "requested_by", "requested_at", "decided_by", "decided_at"]
    order_columns = ["requested_at", "decided_at", "status"]
    search_columns = ["turn", "status", "kind", "requested_by", "decided_by", "requested_at"]
    filter_choices = {"status": labels.APPROVAL_STATUS, "kind": labels.APPROVAL_KIND}
    add_columns = edit_columns = ["note"]
    show_fieldsets = [
        (None, {"fields": ["subject", "kind", "status", "reason"]}),
        (None, {"fields": ["difference"]}),
        (
            None,
            {"fields": ["requested_by", "requested_at", "decided_by", "decided_at", "expires_at", "note"]},
        ),
    ]
    label_columns = {
        "turn": lazy_gettext("Requests"),
        "title": lazy_gettext("Subject"),
        "subject": lazy_gettext("Subject"),
        "subject_id": lazy_gettext("Subject ID"),
        "kind": lazy_gettext("Kind"),
        "status": lazy_gettext("Status"),
        "reason": forms.REASON,
        "difference": lazy_gettext("What will change"),
        "requested_by": lazy_gettext("Requested by"),
        "requested_at": lazy_gettext("Requested at"),
        "expires_at": lazy_gettext("Valid until"),
        "decided_by": lazy_gettext("Decided by"),
        "decided_at": lazy_gettext("Decided at"),
        "note": lazy_gettext("Note"),
    }
    formatters_columns = {
        "kind": formats.label(labels.APPROVAL_KIND),
        "status": formats.tag(labels.APPROVAL_STATUS, "approval"),
        "requested_at": formats.when,
        "expires_at": formats.when,
        "decided_at": formats.when,
    }

    @staticmethod
    def menu_badge() -> int:
        """Return the number of requests that wait for the user's decision."""
        if not may(*DECIDE):
            return 0
        query = select(func.count()).select_from(Approval).where(turns.waits_for(g.user))
        return db.session.scalar(query) or 0

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        widgets: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        if item.kind == journeys.KIND:
            version = db.session.get(JourneyVersion, item.subject_id)
            return widgets | ({"more": [at_approval(version)]} if version else {})
        if item.kind != approval.KIND:
            return widgets
        return widgets | {"more": [TurnoverWidget(url=url_for(".turnover", pk=item.id))]}

    @expose("/turnover/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("show")
    def turnover(self, pk: int) -> Any:
        """Return a table of coverage by the rule of the request and the one before it, loaded by the page."""
        item = self._row(pk)
        if item.kind != approval.KIND:
            abort(404)
        return turnover_table(item.subject_id)

    def offers(self, action: str, item: Approval) -> bool:
        """Whether the request can be withdrawn: it is waiting, and the user made it."""
        return item.status == ApprovalStatus.WAITING and item.requested_by_id == g.user.id

    def lock_reason(self, item: Approval) -> str | None:
        """Return why the user can't decide about a waiting request, None for users who never decide."""
        if item.status != ApprovalStatus.WAITING or not may("can_approve", "ApprovalView"):
            return None
        return why_cannot_decide(item, g.user)

    def show_links(self, item: Approval) -> list[Link]:
        """Return the links to approve and reject, for users who may decide about this request."""
        if item.status != ApprovalStatus.WAITING or not may("can_approve", "ApprovalView"):
            return []
        if self.lock_reason(item) is not None:
            return []
        return [
            Link(_("Approve"), url_for("ApprovalView.approve", pk=item.id), primary=True),
            Link(_("Reject"), url_for("ApprovalView.reject", pk=item.id)),
        ]

    @expose("/approve/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def approve(self, pk: int) -> Any:
        """Approve a request; its changes take effect in the same transaction."""
        return self._decision(
            pk, forms.ApproveForm(), approvals.approve, _("Approve"), _("%(item)s was approved.")
        )

    @expose("/reject/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def reject(self, pk: int) -> Any:
        """Reject a request."""
        return self._decision(
            pk, forms.RejectForm(), approvals.reject, _("Reject"), _("%(item)s was rejected.")
        )

    def _decision(self, pk: int, form: Any, decide: Callable[..., None], word: str, done: str) -> Any:
        item = self._row(pk)
        if form.validate_on_submit():
            try:
                decide(item, g.user, form.note.data or "")
                db.session.commit()
            except DomainError as error:
                db.session.rollback()
                flash(error.text(), "danger")
            else:
                flash(done % {"item": item.title}, "success")
            return redirect(url_for("ApprovalView.show", pk=pk))
        address = url_for("ApprovalView.show", pk=pk)
        widget = ConsoleFormWidget(
            form=form, next=address, submit=word, about=[(_("What will change"), changes_table(item))]
        )
        title = _("%(decision)s: %(item)s", decision=word, item=item.title)
        return self.render_template("form.html", widgets={"edit": widget}, title=title)

    @action("withdraw", lazy_gettext("Withdraw"), lazy_gettext("Withdraw this request?"), multiple=False)
    def withdraw(self, item: Approval) -> Any:
        """Withdraw the user's own request."""
        approvals.withdraw(item, g.user)
        db.session.commit()
        flash(_("%(item)s was withdrawn.", item=item.title), "success")
        return redirect(url_for("ApprovalView.show", pk=item.id))
