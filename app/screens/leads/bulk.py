"""Bulk changes of all leads that match the list's filters: the request page and the jobs."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import bulk, labels
from app.console import formats, paging, selection
from app.console.access import may
from app.console.parts import WithProgress
from app.console.table import Link
from app.console.view import ConsoleView
from app.errors import DomainError
from app.extensions import db
from app.leads import tags
from app.models import BulkJob, RunStatus
from app.screens.leads import bulk_page
from app.selection import Selection


class ChangesWholeList:
    """Mixin of the lead view: bulk changes of all leads that match the filters."""

    @expose("/bulk", methods=["GET", "POST"])
    @has_access
    def bulk(self) -> Any:
        """Show how many leads match the filters, and request a change of all of them."""
        view: Any = self
        leads = selection.checked(view)
        count = paging.count_within(leads.query())
        error = ""
        if request.method == "POST":
            try:
                change = bulk_page.change(request.form)
                job = bulk.ask(change, leads, count)
            except DomainError as refused:
                db.session.rollback()
                error = refused.text()
            else:
                return self._redirect_after(job, leads)
        return view.render_template(
            "leads/bulk.html",
            title=_("Change all leads in the list"),
            count=count,
            conditions=selection.conditions(view, leads.filters),
            allowed={kind: may(permission, bulk.VIEW) for kind, permission in bulk.PERMISSION.items()},
            tags=tags.all_tags(db.session),
            chosen_tag=request.form.get("tag", ""),
            back=selection.url(view._list_url(), leads),
            error=error,
        )

    def _redirect_after(self, job: BulkJob, leads: Selection) -> Any:
        """Redirect to the list when the change is already done, else to the page of its job."""
        view: Any = self
        if job.status != RunStatus.DONE:
            return redirect(url_for("BulkJobView.show", pk=job.id))
        flash(bulk_page.summary(job), "success")
        return redirect(selection.url(view._list_url(), leads))

    def bulk_links(self) -> list[Link]:
        """Return the button above the list, with the current filters."""
        if not may("can_bulk", bulk.VIEW):
            return []
        return [Link(_("Change all"), selection.url(url_for(".bulk"), selection.of_request(self)))]


class BulkJobView(WithProgress, ConsoleView):
    """Jobs of bulk changes: the user's own; an administrator sees all."""

    model = BulkJob
    computed = {"conditions": bulk_page.conditions}
    base_permissions = ["can_list", "can_show", "can_progress", "cancel"]
    list_title = lazy_gettext("Bulk changes")
    show_title = lazy_gettext("Bulk change")
    about = lazy_gettext("Changes of many leads at once, made in the background.")
    empty_next = ("LeadView",)
    empty_hint = lazy_gettext("No bulk change yet. Filter the lead list and choose “Change all”.")
    list_columns = ["created_at", "kind", "tag", "status", "progress", "rows", "changed", "requested_by"]
    order_columns = ["created_at", "status"]
    search_columns = ["kind", "status", "requested_by", "created_at"]
    filter_choices = {"kind": labels.BULK_KIND, "status": labels.RUN_STATUS}
    show_columns = [
        *("kind", "tag", "conditions", "status", "rows", "changed", "error"),
        *("requested_by", "created_at", "finished_at"),
    ]
    label_columns = formats.JOB_WORDS | {
        "kind": lazy_gettext("Action"),
        "tag": lazy_gettext("Tag"),
        "conditions": lazy_gettext("Leads covered"),
        "rows": lazy_gettext("Number of leads"),
        "changed": lazy_gettext("Changed leads"),
    }
    formatters_columns = formats.JOB_FORMATS | {
        "kind": formats.label(labels.BULK_KIND),
        "rows": formats.number,
        "changed": bulk_page.number_if_known,
    }

    def heading(self, item: BulkJob) -> str:
        """Return the kind of change and the number of the job."""
        return f"{labels.word(labels.BULK_KIND, item.kind)} #{item.id}"

    def offers(self, action: str, item: BulkJob) -> bool:
        """Whether the job can still be cancelled."""
        return item.status in (RunStatus.QUEUED, RunStatus.RUNNING) and not item.cancel_requested

    def state_of(self, item: BulkJob) -> dict[str, Any]:
        """Return the progress of the change."""
        return bulk_page.progress_of(item)

    @action(
        "cancel",
        lazy_gettext("Cancel"),
        lazy_gettext("Cancel this change? No lead will be changed."),
        multiple=False,
    )
    def cancel(self, item: BulkJob) -> Any:
        """Cancel a change that has not finished."""
        bulk.cancel(item)
        flash(_("The change will stop shortly."), "success")
        return redirect(url_for("BulkJobView.show", pk=item.id))
