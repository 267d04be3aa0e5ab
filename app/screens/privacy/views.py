"""Screens of personal data: revealed phone numbers, exports, and customer data requests."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response, abort, flash, g, json, jsonify, redirect, request, send_file, url_for
from flask_appbuilder import action, expose, has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import labels
from app.console import downloads, formats, paging, selection
from app.console.access import may, me
from app.console.parts import WithProgress
from app.console.table import Link
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget
from app.errors import DomainError, FieldError
from app.exports import content, jobs
from app.exports.approval import AskedExport
from app.extensions import db
from app.leads import subject
from app.leads.number_limit import TooManyNumbers
from app.leads.reveal import reveal
from app.lib import clock
from app.lib.row_id import row_id
from app.models import ExportJob, Lead, Reveal, RunStatus, SubjectRequest
from app.outreach import by_hand
from app.screens.privacy import exports, forms, subjects

#: seconds for which a revealed number stays on the screen
SHOWN_SECONDS = 30


class RevealsPhones:
    """Mixin of the lead view: reveal one phone number, with a reason that is recorded."""

    @expose("/reveal/<row_id:pk>", methods=["POST"])
    @has_access
    def reveal(self, pk: int) -> Any:
        """Return the number as JSON, or why it is refused."""
        lead = self._row(pk)  # type: ignore[attr-defined]
        try:
            if request.form.get("purpose") == by_hand.CALL:
                by_hand.check_call(lead, g.user, row_id(request.form.get("hit")))
            phone = reveal(lead, request.form.get("reason"), me(), request.remote_addr or "")
        except DomainError as error:
            db.session.rollback()
            return jsonify(message=error.text()), 429 if isinstance(error, TooManyNumbers) else 400
        return jsonify(phone=phone, seconds=SHOWN_SECONDS)


class ExportsList:
    """Mixin of a list view: export ticked rows at once, or all rows in the background."""

    export_kind: ClassVar[str]

    @action("export", lazy_gettext("Export (masked)"), single=False)
    def export(self, items: list[Any]) -> Any:
        """Download the ticked rows, with the same columns as an export of the whole list."""
        exported, ids = content.CONTENTS[self.export_kind], [item.id for item in items]
        ticked = db.session.query(exported.model).filter(exported.model.id.in_(ids))
        first = content.watermark(me(), clock.now())
        return downloads.csv_download(
            [[first], exported.header(), *content.rows(exported, ticked)], self.export_kind
        )

    @expose("/export_all", methods=["GET", "POST"])
    @has_access
    def export_all(self) -> Any:
        """Choose a format, and start the export in the background; a large one waits for a second person."""
        selected = selection.checked(self)
        count = paging.count_within(selected.query())
        if not count.exact or count > jobs.rows_alone():
            return self._asks_second_person(clear=False)
        form = forms.ExportForm()
        if form.validate_on_submit():
            try:
                job = jobs.request_export(self.export_kind, form.format.data, selected, form.facts.data or [])
            except DomainError as error:
                form.format.errors = [*form.format.errors, error.text()]
            else:
                return redirect(url_for("ExportJobView.show", pk=job.id))
        return self._export_page(form, _("Start the export"))

    @expose("/export_clear", methods=["GET", "POST"])
    @has_access
    def export_clear(self) -> Any:
        """Request an export with phones in clear, for a second person to approve; 404 unless allowed."""
        if not jobs.clear_allowed():
            abort(404)
        return self._asks_second_person(clear=True)

    def _asks_second_person(self, *, clear: bool) -> Any:
        form = forms.AskedExportForm()
        if form.validate_on_submit():
            selected = selection.checked(self)
            about = AskedExport(selection.conditions(self, selected.filters), selected.query().count())
            try:
                approval = jobs.request_approval(
                    *(self.export_kind, form.format.data, selected, form.reason.data, about),
                    form.facts.data or [],
                    clear=clear,
                )
            except DomainError as error:
                db.session.rollback()
                form.format.errors = [*form.format.errors, error.text()]
            else:
                flash(
                    _("%(item)s has been submitted; another person must approve it.", item=approval.title),
                    "success",
                )
                return redirect(url_for("ExportJobView.show", pk=approval.subject_id))
        return self._export_page(form, _("Submit for approval"), clear=clear, large=not clear)

    def _export_page(self, form: Any, submit: str, *, clear: bool = False, large: bool = False) -> Any:
        view: Any = self
        selected = selection.of_request(view)
        clear_url = selection.url(url_for(".export_clear"), selected)
        offered = not clear and jobs.clear_allowed() and may(jobs.CLEAR_PERMISSION, type(view).__name__)
        return view.render_template(
            "privacy/export.html",
            widget=ConsoleFormWidget(
                form=form, next=selection.url(view._list_url(), selected), submit=submit
            ),
            title=_("Export: %(list)s", list=labels.word(labels.EXPORT_KIND, self.export_kind)),
            conditions=selection.conditions(view, selected.filters),
            count=paging.count_within(selected.query()),
            clear=clear,
            alone=jobs.rows_alone() if large else None,
            clear_url=clear_url if offered else "",
        )

    def export_links(self) -> list[Link]:
        """Return the button above the list, with the current filters."""
        view: Any = self
        if not may(jobs.PERMISSION, type(view).__name__):
            return []
        selected = selection.of_request(view)
        return [Link(_("Export all"), selection.url(url_for(".export_all"), selected))]


class RevealView(ConsoleView):
    """The record of revealed phone numbers: who, whose, when and why."""

    model = Reveal
    computed = {"lead_no": lambda row: row.lead.lead_no}
    base_permissions = ["can_list"]
    list_title = lazy_gettext("Phone numbers viewed")
    about = lazy_gettext("Who saw which full phone number, when and why.")
    empty_hint = lazy_gettext("Nobody has viewed a full phone number yet.")
    base_order = ("revealed_at", "desc")
    list_columns = ["revealed_at", "revealed_by", "lead_no", "reason", "address"]
    order_columns = ["revealed_at", "revealed_by"]
    search_columns = ["revealed_by", "revealed_at", "address"]
    label_columns = {
        "revealed_at": lazy_gettext("Time"),
        "revealed_by": lazy_gettext("By"),
        "lead_no": lazy_gettext("Lead no."),
        "reason": lazy_gettext("Reason given"),
        "address": lazy_gettext("Network address"),
    }
    formatters_columns = {"revealed_at": formats.when, "lead_no": formats.code, "address": formats.code}


class ExportJobView(WithProgress, ConsoleView):
    """Exports of whole lists: the user's own; an administrator sees all."""

    model = ExportJob
    base_permissions = ["can_list", "can_show", "can_progress", "can_fetch"]
    list_title = lazy_gettext("Exports")
    show_title = lazy_gettext("Export")
    about = lazy_gettext("Lists exported as files, made in the background.")
    empty_next = ("LeadView", "CustomerView")
    empty_hint = lazy_gettext(
        "No exports yet. Start one with “Export all” above the list of leads, of customers or of hits."
    )
    list_columns = ["created_at", "kind", "format", "status", "progress", "rows", "requested_by"]
    order_columns = ["created_at", "status"]
    search_columns = ["kind", "status", "requested_by", "created_at", "clear"]
    filter_choices = {"kind": labels.EXPORT_KIND, "status": labels.RUN_STATUS}
    show_columns = [
        *("kind", "format", "facts", "clear", "status", "rows", "error"),
        *("requested_by", "created_at", "approved_by", "finished_at"),
    ]
    label_columns = formats.JOB_WORDS | {
        "kind": lazy_gettext("List"),
        "format": lazy_gettext("Format"),
        "facts": lazy_gettext("Facts"),
        "clear": lazy_gettext("Phone numbers in clear"),
        "approved_by": lazy_gettext("Approved by"),
        "rows": lazy_gettext("Rows"),
    }
    formatters_columns = formats.JOB_FORMATS | {
        "kind": formats.label(labels.EXPORT_KIND),
        "format": formats.label(labels.EXPORT_FORMAT),
        "clear": labels.yes_no,
        "facts": labels.joined,
        "rows": exports.rows_made,
    }

    def heading(self, item: ExportJob) -> str:
        """Return the list and the number of the export."""
        return f"{labels.word(labels.EXPORT_KIND, item.kind)} #{item.id}"

    def show_links(self, item: ExportJob) -> list[Link]:
        """Return the link to the file, once it exists."""
        if not self._may_fetch(item) or jobs.export_file(item) is None:
            return []
        return [Link(_("Download"), url_for(".fetch", pk=item.id), primary=True)]

    def state_of(self, item: ExportJob) -> dict[str, Any]:
        """Return the progress of the export."""
        return exports.progress_of(item)

    @expose("/fetch/<row_id:pk>", methods=["GET"])
    @has_access
    def fetch(self, pk: int) -> Any:
        """Download the file; only its requester and administrators may."""
        job = self._row(pk)
        if not self._may_fetch(job):
            abort(403)
        path = jobs.export_file(job)
        if path is None:
            abort(
                404,
                description=_("The file of this export is no longer available."),
            )
        answer = send_file(path, as_attachment=True, download_name=jobs.download_name(job))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _may_fetch(self, job: ExportJob) -> bool:
        own = job.requested_by == me() or any(role.name == "Admin" for role in g.user.roles)
        return own and job.status == RunStatus.DONE and may("can_fetch", "ExportJobView")


class SubjectRequestView(ConsoleView):
    """客户信息请求: customers' requests about their data, and the tools to answer them."""

    model = SubjectRequest
    base_permissions = ["can_list", "can_find", "can_held", "can_file", "can_erase"]
    list_title = lazy_gettext("Customer data requests")
    about = lazy_gettext("Requests of customers about their own data, and what was done.")
    empty_hint = lazy_gettext("No requests yet. Find a customer to begin.")
    list_columns = ["created_at", "kind", "lead_no", "reason", "created_by"]
    order_columns = ["created_at", "kind", "created_by"]
    search_columns = ["lead_no", "kind", "created_by", "created_at"]
    filter_choices = {"kind": labels.SUBJECT_KIND}
    label_columns = {
        "created_at": lazy_gettext("Time"),
        "kind": lazy_gettext("Action"),
        "lead_no": lazy_gettext("Lead no."),
        "reason": lazy_gettext("Reason given"),
        "created_by": lazy_gettext("By"),
    }
    formatters_columns = {
        "created_at": formats.when,
        "kind": formats.label(labels.SUBJECT_KIND),
        "lead_no": formats.code,
    }

    def list_links(self) -> list[Link]:
        """Return the link to find a customer."""
        if not may("can_find", "SubjectRequestView"):
            return []
        return [Link(_("Find a customer"), url_for(".find"), primary=True)]

    @expose("/find", methods=["GET", "POST"])
    @has_access
    def find(self) -> Any:
        """Find customers by phone or ID number, which is posted and never part of a URL."""
        result, error = None, ""
        if request.method == "POST":
            try:
                result = subject.find(request.form.get("number", ""), me())
            except DomainError as refused:
                db.session.rollback()
                error = refused.text()
        title = _("Find a customer")
        return self.render_template("privacy/subject_find.html", title=title, result=result, error=error)

    @expose("/held/<row_id:pk>", methods=["GET"])
    @has_access
    def held(self, pk: int) -> Any:
        """Show the data held about a customer."""
        lead = _any_lead(pk)
        answer = subject.collect_data(lead, me())
        title = _("Data held about %(lead)s", lead=lead.lead_no)
        return self.render_template(
            "privacy/subject_held.html", title=title, **subjects.held_page(lead, answer)
        )

    @expose("/file/<row_id:pk>", methods=["POST"])
    @has_access
    def file(self, pk: int) -> Any:
        """Download the same as JSON, to hand over to the customer."""
        lead = _any_lead(pk)
        answer = subject.collect_data(lead, me(), "export")
        return Response(
            json.dumps(answer, ensure_ascii=False, indent=2),
            mimetype="application/json",
            headers={"Content-Disposition": f'attachment; filename="lead-{lead.id}.json"'},
        )

    @expose("/erase/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def erase(self, pk: int) -> Any:
        """Erase a customer, after a reason and the lead number were typed."""
        lead, form = _any_lead(pk), forms.EraseForm()
        lead_no = lead.lead_no
        if form.validate_on_submit():
            try:
                subject.erase(lead, form.lead_no.data, form.reason.data, me(), suppress=form.suppress.data)
            except FieldError as error:
                db.session.rollback()
                form[error.field].errors = [*form[error.field].errors, error.text()]
            else:
                flash(_("%(lead)s was erased.", lead=lead_no), "success")
                return redirect(self._list_url())
        widget = ConsoleFormWidget(form=form, next=url_for(".held", pk=pk), submit=_("Erase permanently"))
        title = _("Erase %(lead)s", lead=lead_no)
        return self.render_template("form.html", widgets={"edit": widget}, title=title)


def _any_lead(pk: int) -> Lead:
    """Return a lead, deleted or not, or abort with 404."""
    lead = subject.get_lead(pk)
    if lead is None:
        abort(404)
    return lead
