"""The screens of the change log: entries, their history, verification and exports."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, g, redirect, send_file, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.forms import DynamicForm
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import func, select
from wtforms import StringField

from app import audit_jobs, labels
from app.audit_jobs import link_of
from app.console import formats, selection
from app.console.access import may, me
from app.console.parts import WithProgress
from app.console.table import Link
from app.console.urls import list_url
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget
from app.errors import DomainError
from app.extensions import db
from app.leads import number_limit
from app.models import AuditJob, ChangeLog, RunStatus
from app.screens.audit import entries, page
from app.screens.audit.data import LogInterface
from app.screens.audit.special_filters import AUDIT_FILTERS
from app.selection import Selection

#: fields that only entries about a bulk statement show
BULK_FIELDS = ("rows", "digest")


class ChangeLogView(ConsoleView):
    """变更日志: entries with user, time, origin and changes."""

    model = ChangeLog
    base_permissions = ["can_list", "can_show", "can_export_log"]
    paging_limit = 10_000
    computed = {
        "subject": entries.subject,
        "summary": entries.summary,
        "moment": page.moment,
        "origin": page.origin,
        "asked": page.request_of,
    }
    special_filters = AUDIT_FILTERS
    search_form_extra_fields = {name: StringField() for name in AUDIT_FILTERS}
    list_title = lazy_gettext("Change log")
    show_title = lazy_gettext("Entry of the change log")
    about = lazy_gettext("The record of who changed, saw or exported what; nobody can change it.")
    empty_hint = lazy_gettext("No entries yet.")
    base_order = ("time", "desc")
    list_columns = ["time", "actor", "kind", "subject", "summary", "origin"]
    order_columns = ["time"]
    search_columns = ["person", "about", "kind", "time", "source", "row", "transaction"]
    filter_choices = {"kind": entries.KIND, "source": entries.SOURCE}
    show_columns = [
        *("moment", "actor", "kind", "subject", "source", "address", "asked", "db_user"),
        *BULK_FIELDS,
    ]
    label_columns = {
        "time": lazy_gettext("Time"),
        "moment": lazy_gettext("Time"),
        "actor": lazy_gettext("Who"),
        "person": lazy_gettext("Who"),
        "kind": lazy_gettext("Kind of action"),
        "about": lazy_gettext("Object"),
        "subject": lazy_gettext("Object"),
        "summary": lazy_gettext("Changes"),
        "source": lazy_gettext("Via"),
        "origin": lazy_gettext("Origin"),
        "address": lazy_gettext("Network address"),
        "asked": lazy_gettext("Request, job or command"),
        "db_user": lazy_gettext("Database user"),
        "rows": lazy_gettext("Rows"),
        "digest": lazy_gettext("Digest of the rows"),
        "row": lazy_gettext("History of"),
        "transaction": lazy_gettext("Same transaction"),
    }
    formatters_columns = {
        "time": formats.moment,
        "kind": formats.tag(entries.KIND, "log"),
        "source": formats.label(entries.SOURCE),
        "address": formats.code,
        "db_user": formats.code,
        "rows": page.row_count,
        "digest": formats.code,
    }

    def _interface(self) -> LogInterface:
        return LogInterface(self.model, db.session, self.computed, self.special_filters)

    def heading(self, item: ChangeLog) -> str:
        """Return the title with the number of the entry."""
        return _("Entry %(n)s", n=item.id)

    def list_links(self) -> list[Link]:
        """Return the links to export and to verification."""
        selected = selection.of_request(self)
        links = []
        if may("can_export_log", "ChangeLogView"):
            links.append(Link(_("Export with proof"), selection.url(url_for(".export_log"), selected)))
        if may("can_verify", "AuditJobView"):
            links.append(Link(_("Verify the chain"), url_for("AuditJobView.verify")))
        return links

    def show_links(self, item: ChangeLog) -> list[Link]:
        """Return the links to the history of the object and to the entries of the same transaction."""
        links = []
        if item.object_id:
            row = f"{item.object}:{item.object_id}"
            links.append(Link(_("History of this object"), list_url("ChangeLogView", row=row)))
        together = db.session.scalar(select(func.count()).where(ChangeLog.xid == item.xid)) or 0
        if together > 1:
            text = _("Same transaction (%(n)s)", n=f"{together:,}")
            links.append(Link(text, list_url("ChangeLogView", transaction=item.xid)))
        return links

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Add each changed field and the place of the entry in the hash chain to the page."""
        shown = super()._get_show_widget(pk, item, *args, **kwargs)
        groups = shown["show"].template_args["groups"]
        if item.rows == 1:
            groups[0] = (None, groups[0][1][: -len(BULK_FIELDS)])
        changes = entries.changes_table(item)
        if changes:
            groups.append((None, [(_("Changes"), changes)]))
        if item.kind == number_limit.KIND:
            groups.append((None, [(_("Whose number it is now"), page.found_by(item))]))
        groups.append((_("Proof"), page.proof(item, link_of(item))))
        return shown

    @expose("/export_log", methods=["GET", "POST"])
    @has_access
    def export_log(self) -> Any:
        """Export the filtered entries with their proof to a file, in the background."""
        form, selected = DynamicForm(), selection.of_request(self)
        if form.validate_on_submit():
            return _start("export", selection.checked(self))
        conditions = selection.conditions(self, selected.filters)
        about = [
            (_("What will be exported"), labels.joined(conditions) or _("All entries of the change log.")),
            (_("What the file contains"), _EXPORT_ABOUT),
        ]
        widget = ConsoleFormWidget(
            form=form,
            next=selection.url(self._list_url(), selected),
            submit=_("Start the export"),
            about=about,
        )
        return self.render_template("form.html", widgets={"edit": widget}, title=_("Export with proof"))


_EXPORT_ABOUT = lazy_gettext(
    "The entries with their hashes (CSV) and the proof: range, head of the chain, checkpoint, and the result"
    " of verifying the whole chain."
)


def _start(kind: str, selected: Selection) -> Any:
    try:
        job = audit_jobs.request_job(kind, selected)
    except DomainError as error:
        flash(error.text(), "warning")
        return redirect(url_for("AuditJobView.list"))
    return redirect(url_for("AuditJobView.show", pk=job.id))


class AuditJobView(WithProgress, ConsoleView):
    """Verifications of the change log and exports of its entries."""

    model = AuditJob
    base_permissions = ["can_list", "can_show", "can_progress", "can_fetch", "can_verify"]
    computed = {"outcome": page.outcome, "head": page.chain_head}
    list_title = lazy_gettext("Verification and exports")
    show_title = lazy_gettext("Verification or export")
    about = lazy_gettext("Verifications of the change log and exports of it with proof.")
    empty_next = ("ChangeLogView",)
    empty_hint = lazy_gettext("No verification or export yet.")
    list_columns = ["created_at", "kind", "status", "progress", "outcome", "requested_by"]
    order_columns = ["created_at", "status"]
    search_columns = ["kind", "status", "requested_by", "created_at"]
    filter_choices = {"kind": page.JOB_KIND, "status": labels.RUN_STATUS}
    show_columns = [
        *("kind", "status", "outcome", "head", "rows_done", "error"),
        *("requested_by", "created_at", "finished_at"),
    ]
    label_columns = formats.JOB_WORDS | {
        "kind": lazy_gettext("Kind"),
        "outcome": lazy_gettext("Result"),
        "head": lazy_gettext("Head of the chain"),
        "rows_done": lazy_gettext("Entries"),
    }
    formatters_columns = formats.JOB_FORMATS | {
        "kind": formats.label(page.JOB_KIND),
        "head": formats.code,
        "rows_done": formats.number,
    }

    def heading(self, item: AuditJob) -> str:
        """Return the kind and number of the job."""
        return f"{labels.word(page.JOB_KIND, item.kind)} #{item.id}"

    def list_links(self) -> list[Link]:
        """Return the link that starts a verification."""
        allowed = may("can_verify", "AuditJobView")
        return [Link(_("Verify the chain"), url_for(".verify"), primary=True)] if allowed else []

    def show_links(self, item: AuditJob) -> list[Link]:
        """Return the links to the file, once it is ready, and to the first bad entry."""
        links = []
        if self._may_fetch(item) and audit_jobs.file_of(item) is not None:
            links.append(Link(_("Download"), url_for(".fetch", pk=item.id), primary=True))
        bad = page.first_bad(item)
        if bad is not None and db.session.get(ChangeLog, bad) is not None:
            links.append(Link(_("The first bad entry"), url_for("ChangeLogView.show", pk=bad)))
        return links

    def state_of(self, item: AuditJob) -> dict[str, Any]:
        """Return the progress of the job."""
        return page.progress_of(item)

    @expose("/verify", methods=["GET", "POST"])
    @has_access
    def verify(self) -> Any:
        """Verify the hash chain in the background."""
        form = DynamicForm()
        if form.validate_on_submit():
            return _start("verify", Selection(ChangeLog, (), g.user))
        about = [(_("What is checked"), _VERIFY_ABOUT), (_("Current state"), page.chain_state())]
        widget = ConsoleFormWidget(
            form=form, next=self._list_url(), submit=_("Start verification"), about=about
        )
        return self.render_template("form.html", widgets={"edit": widget}, title=_("Verify the chain"))

    @expose("/fetch/<row_id:pk>", methods=["GET"])
    @has_access
    def fetch(self, pk: int) -> Any:
        """Download an export. Only the user who requested it and administrators may do so."""
        job = self._row(pk)
        if not self._may_fetch(job):
            abort(403)
        path = audit_jobs.file_of(job)
        if path is None:
            abort(
                404,
                description=_("The file of this export is no longer available."),
            )
        return send_file(
            path, as_attachment=True, download_name=f"change-log-{job.requested_by}-{job.id}.zip"
        )

    def _may_fetch(self, job: AuditJob) -> bool:
        own = job.requested_by == me() or any(role.name == "Admin" for role in g.user.roles)
        return own and job.status == RunStatus.DONE and may("can_fetch", "AuditJobView")


_VERIFY_ABOUT = lazy_gettext(
    "Every sealed entry is hashed again and compared with the chain and with the checkpoints kept outside the"
    " database. This finds entries that were edited, deleted, inserted, reordered or cut off."
)
