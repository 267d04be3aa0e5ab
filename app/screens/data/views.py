"""The screens of institutions, log deliveries, data completeness and T+1 runs."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, g, redirect, request, send_file, url_for
from flask_appbuilder import BaseView, expose, has_access, permission_name
from flask_appbuilder.actions import action
from flask_appbuilder.fieldwidgets import Select2Widget
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, Length

from app import labels
from app.audit.events import event
from app.console import charts, formats, forms
from app.console.access import may, me
from app.console.parts import WithProgress
from app.console.second_person import REASON, AsksForReason
from app.console.table import Link
from app.console.view import ConsoleView
from app.console.widgets import ChartWidget, ConsoleFormWidget, ConsoleListWidget, NoteWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.models import (
    IngestFile,
    Institution,
    JobRun,
    RunStatus,
)
from app.rules import catalogue, institution_approval
from app.screens.data import completeness, refused_files, ticker_steps
from app.screens.data import corrections as corrections_page
from app.screens.data import runs as run_pages
from app.screens.data.special_filters import OnDay
from app.t1 import corrections, runs


class InstitutionView(AsksForReason, ConsoleView):
    """调用机构: the catalogue of institutions. Unlisted ones are added when logs are read."""

    model = Institution
    about = lazy_gettext("The organisations whose calls appear in the logs, with category and region.")
    empty_next = ("IngestFileView",)
    empty_hint = lazy_gettext(
        "No institutions yet. They are added automatically when logs are read, or by hand."
    )
    list_title = lazy_gettext("Institutions")
    show_title = lazy_gettext("Institution")
    add_title = lazy_gettext("Add institution")
    edit_title = lazy_gettext("Edit institution")
    base_order = ("code", "asc")
    list_columns = ["code", "name", "category", "region", "listed", "first_seen"]
    column_terms = {"listed": "institution"}
    order_columns = ["code", "name", "category", "region", "listed", "first_seen"]
    search_columns = ["name", "code", "category", "region", "listed"]
    filter_choices = {"category": labels.CATEGORY}
    show_columns = list_columns
    add_columns = ["code", "name", "category", "region", "reason"]
    edit_columns = ["name", "category", "region", "reason"]
    label_columns = {
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "category": lazy_gettext("Category"),
        "region": lazy_gettext("Region"),
        "listed": lazy_gettext("Listed"),
        "first_seen": lazy_gettext("First seen"),
    }
    description_columns = {
        "category": lazy_gettext("Rules can select institutions by category, such as bank or micro_loan."),
    }
    formatters_columns = {
        "code": formats.code,
        "category": formats.label(labels.CATEGORY),
        "listed": labels.yes_no,
    }
    validators_columns = {"code": [DataRequired(), Length(max=128)], "name": [DataRequired()]}
    _choices = {
        "category": SelectField(
            lazy_gettext("Category"),
            description=lazy_gettext("Rules can select institutions by category."),
            choices=catalogue.categories_to_choose,
            widget=Select2Widget(),
        ),
        "region": SelectField(
            lazy_gettext("Region"), choices=catalogue.regions_to_choose, widget=Select2Widget()
        ),
    }
    add_form_extra_fields = edit_form_extra_fields = _choices | {"reason": REASON}

    def prefill_form(self, form: Any, pk: Any) -> None:
        """Show which rules in force use its category or region."""
        rules = catalogue.affected_rules(self._row(pk), "", "")
        if rules:
            form.category.description = _(
                "Rules in force that count this institution by category or region: %(rules)s",
                rules=", ".join(rules),
            )

    def check(self, form: Any, item: Any | None) -> None:
        """Raise FieldError when a change that affects rules in force has no reason."""
        item = item or Institution(code=(form.code.data or "").strip(), category="", region="")
        rules = catalogue.affected_rules(item, form.category.data or "", form.region.data or "")
        if rules and not (form.reason.data or "").strip():
            raise FieldError(
                "reason",
                "From the next evaluation on, the new category or region changes what the rules in force "
                "%(rules)s catch. A second person must approve it: state a reason and save again.",
                rules=", ".join(rules),
            )

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store and list the institution; a change that affects rules in force waits for approval."""
        item.code = item.code.strip()
        item.listed = True
        category, region = item.category, item.region
        item.category, item.region = ("", "") if created else catalogue.stored_description(item)
        if created:
            db.session.add(item)
            db.session.flush()
        if not catalogue.affected_rules(item, category, region):
            item.category, item.region = category, region
            return
        approval = institution_approval.ask(item, category, region, g.user, form.reason.data)
        self.flash_request(approval, item.name)

    def remove(self, item: Any) -> None:
        """Delete the institution. Raises DomainError when a rule names it or it has calls."""
        catalogue.delete(item)


class IngestFileView(WithProgress, ConsoleView):
    """日志文件: the log files that were read."""

    model = IngestFile
    computed = {"correction": corrections_page.newest}
    base_permissions = [
        "can_list",
        "can_show",
        "can_rejects",
        "can_correct",
        "can_progress",
        "evaluate_again",
    ]
    list_title = lazy_gettext("Log deliveries")
    show_title = lazy_gettext("Log delivery")
    about = lazy_gettext("The log files that were read, with accepted, duplicate and rejected rows.")
    empty_next = ("JobRunView",)
    empty_hint = lazy_gettext("No log files yet. Files in the inbox are read by the next T+1 run.")
    base_order = ("ingested_at", "desc")
    list_columns = [
        "name",
        "rows_read",
        "accepted",
        "duplicates",
        "rows_rejected",
        "ingested_at",
        "withdrawn_at",
    ]
    column_terms = {
        "rows_read": "rows_read",
        "accepted": "accepted",
        "duplicates": "duplicates",
        "rows_rejected": "rejected",
    }
    order_columns = ["name", "rows_read", "accepted", "duplicates", "ingested_at"]
    search_columns = ["name", "ingested_at", "rows_read", "day", "withdrawn_at"]
    special_filters = {"day": OnDay}
    search_form_extra_fields = {"day": StringField()}
    show_columns = [
        "name",
        "digest",
        "size_bytes",
        "rows_read",
        "accepted",
        "duplicates",
        "other_content",
        "rejected",
        "ingested_at",
        "withdrawn_at",
        "correction",
    ]
    label_columns = {
        "name": lazy_gettext("File"),
        "day": lazy_gettext("With calls of"),
        "digest": lazy_gettext("SHA-256 of the content"),
        "size_bytes": lazy_gettext("Size (bytes)"),
        "rows_read": lazy_gettext("Rows read"),
        "accepted": lazy_gettext("Accepted"),
        "duplicates": lazy_gettext("Duplicates"),
        "other_content": lazy_gettext("Duplicates with other content"),
        "withdrawn_at": lazy_gettext("Withdrawn"),
        "correction": lazy_gettext("Correction"),
        "rows_rejected": lazy_gettext("Rejected rows"),
        "rejected": lazy_gettext("Rejected by reason"),
        "ingested_at": lazy_gettext("Read at"),
    }
    formatters_columns = {
        "name": formats.file_tail,
        "digest": formats.code,
        "rejected": formats.reject_counts,
        "ingested_at": formats.when,
        "size_bytes": formats.number,
        "rows_read": formats.number,
        "accepted": formats.number,
        "duplicates": formats.number,
        "other_content": formats.number,
        "withdrawn_at": formats.when,
        "rows_rejected": formats.number,
    }

    def heading(self, item: IngestFile) -> str:
        """Return the name of the file with that of its folder."""
        return "/".join(item.name.split("/")[-2:])

    def _get_list_widget(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return super()._get_list_widget(*args, **kwargs) | {
            "chart": ChartWidget(chart=charts.events_per_day())
        }

    def list_links(self) -> list[Link]:
        """Return the link to the refused files."""
        return [Link(_("Refused files"), url_for(".refused"))]

    @expose("/refused/", methods=["GET"])
    @has_access
    @permission_name("list")
    def refused(self) -> Any:
        """List the files that T+1 runs refused whole, with reason and present place."""
        widget = ConsoleListWidget(table=refused_files.table())
        title = _("Refused log files")
        return self.render_template("list.html", title=title, widgets={"list": widget, "search": Markup})

    @expose("/kept/<row_id:pk>/<path:kept>", methods=["GET"])
    @has_access
    @permission_name("rejects")
    def kept(self, pk: int, kept: str) -> Any:
        """Download a refused file from the quarantine."""
        run = db.session.get(JobRun, pk)
        path = runs.refused_path(run, kept) if run else None
        if path is None:
            abort(404, description=_("This file is no longer kept."))
        return send_file(path.resolve(), as_attachment=True, download_name=path.name)

    def show_links(self, item: IngestFile) -> list[Link]:
        """Return the links to the rejected rows and to the withdrawal."""
        links = []
        if item.rejects_file and may("can_rejects", "IngestFileView"):
            links.append(Link(_("Download the rejected rows"), url_for(".rejects", pk=item.id)))
        if may("can_correct", "IngestFileView") and corrections.can_correct(item):
            links.append(Link(_("Replace this file"), url_for(".upload", pk=item.id)))
            links.append(Link(_("Withdraw this file"), url_for(".correct", pk=item.id)))
        return links

    def state_of(self, item: IngestFile) -> dict[str, Any]:
        """Return the progress of the file's newest correction."""
        return corrections_page.state_of(item)

    def progress_of(self, item: IngestFile) -> dict[str, Any] | None:
        """Return the progress while a correction is under way."""
        return super().progress_of(item) if not self.state_of(item)["done"] else None

    def offers(self, action: str, item: IngestFile) -> bool:
        """Return whether a correction changed dates that were not run since."""
        return bool(corrections.days_to_evaluate_again(item))

    # The name lets the body be as large as that of other uploads.
    @expose("/replace/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("correct")
    def upload(self, pk: int) -> Any:
        """Upload the file that is to replace another; the next page shows what that changes."""
        item, form = self._row(pk), forms.ReplaceForm()
        if form.validate_on_submit():
            try:
                key = corrections.receive(form.file.data, item, g.user)
            except DomainError as error:
                db.session.rollback()
                form.file.errors = [*form.file.errors, error.text()]
            else:
                return redirect(url_for(".replace", pk=pk, key=key))
        widget = ConsoleFormWidget(
            form=form,
            next=url_for(".show", pk=pk),
            submit=_("Upload and check"),
            about=corrections_page.of_old(item),
        )
        title = _("Replace %(file)s", file=self.heading(item))
        return self.render_template("form.html", widgets={"edit": widget}, title=title)

    @expose("/replace/<row_id:pk>/<key>", methods=["GET", "POST"])
    @has_access
    @permission_name("correct")
    def replace(self, pk: int, key: str) -> Any:
        """Show what an uploaded file would change, and request the replacement."""
        item, form = self._row(pk), forms.WithdrawForm()
        uploaded = corrections.received(item, g.user, key)
        if uploaded is None:
            flash(_("The uploaded file is no longer kept. Upload it again."), "warning")
            return redirect(url_for(".upload", pk=pk))
        path, outlook = uploaded
        if form.validate_on_submit():
            try:
                corrections.request(item, g.user, form.reason.data, path)
            except DomainError as error:
                db.session.rollback()
                form.reason.errors = [*form.reason.errors, error.text()]
            else:
                corrections.discard(item, g.user, key)
                name = self.heading(item)
                flash(_("%(item)s has been submitted; another person must approve it.", item=name), "success")
                return redirect(url_for(".show", pk=pk))
        widget = ConsoleFormWidget(
            form=form,
            next=url_for(".upload", pk=pk),
            submit=_("Submit for approval"),
            about=corrections_page.expected(item, path.name, outlook),
        )
        title = _("Replace %(file)s", file=self.heading(item))
        return self.render_template("form.html", widgets={"edit": widget}, title=title)

    @expose("/correct/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def correct(self, pk: int) -> Any:
        """Request the withdrawal of the file."""
        item, form = self._row(pk), forms.WithdrawForm()
        if form.validate_on_submit():
            try:
                corrections.request(item, g.user, form.reason.data)
            except DomainError as error:
                db.session.rollback()
                form.reason.errors = [*form.reason.errors, error.text()]
            else:
                name = self.heading(item)
                flash(_("%(item)s has been submitted; another person must approve it.", item=name), "success")
                return redirect(url_for(".show", pk=pk))
        widget = ConsoleFormWidget(
            form=form,
            next=url_for(".show", pk=pk),
            submit=_("Submit for approval"),
            about=corrections_page.of_old(item),
        )
        title = _("Withdraw %(file)s", file=self.heading(item))
        return self.render_template("form.html", widgets={"edit": widget}, title=title)

    @action(
        "evaluate_again",
        lazy_gettext("Evaluate the changed dates again"),
        lazy_gettext("Rerun the dates that the correction changed? Nothing is counted twice."),
        multiple=False,
    )
    def evaluate_again(self, item: IngestFile) -> Any:
        """Request runs of the dates that the correction changed."""
        days = [day.isoformat() for day in corrections.evaluate_again(item, me())]
        event("evaluate_again", "ingest_file", item.id, title=self.heading(item), days=days)
        flash(_("Runs requested for: %(days)s", days=labels.enumerated(days) or "–"), "success")
        return redirect(url_for(".show", pk=item.id))

    @expose("/rejects/<row_id:pk>", methods=["GET"])
    @has_access
    def rejects(self, pk: int) -> Any:
        """Download the rejected rows with their line numbers and reasons."""
        row = self._row(pk)
        path = runs.rejects_path(row)
        if path is None:
            abort(404, description=_("No row of this file was rejected."))
        return send_file(path, as_attachment=True, download_name=f"rejected-{row.id}.csv")


class CompletenessView(BaseView):  # type: ignore[misc]
    """数据完整性: calls by institution and day, with missing and low days marked."""

    list_title = lazy_gettext("Data completeness")
    default_view = "list"

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show the last 30 days, filtered and paged."""
        name, marked = request.args.get("name", "").strip()[:64], bool(request.args.get("marked"))
        calendar = completeness.calendar(name, marked, request.args.get("page", 0, type=int))
        title = str(self.list_title)
        return self.render_template(
            "data/completeness.html", title=title, calendar=calendar, name=name, marked=marked
        )


class JobRunView(WithProgress, ConsoleView):
    """后台任务: T+1 runs with their steps and progress."""

    model = JobRun
    computed = {
        "summary": run_pages.run_summary,
        "refused": refused_files.refused,
        "ignored": refused_files.ignored,
        "former": run_pages.earlier_runs,
        "waiting": run_pages.waiting_files,
        "stuck": run_pages.stuck_files,
        "other_days": run_pages.other_days,
    }
    base_permissions = [
        "can_list",
        "can_show",
        "can_progress",
        "can_start",
        "rerun",
        "release",
        "evaluate_again",
    ]
    list_title = lazy_gettext("Runs")
    show_title = lazy_gettext("Run")
    about = lazy_gettext("The T+1 runs: each reads a day's logs, evaluates the rules and makes hits.")
    empty_next = ("IngestFileView",)
    empty_hint = lazy_gettext(
        "No runs yet. Yesterday's data is processed automatically each morning; any day can be run by hand."
    )
    base_order = ("day", "desc")
    list_columns = ["day", "status", "progress", "summary", "requested_by", "started_at"]
    column_terms = {"day": "run"}
    order_columns = ["day", "status", "started_at"]
    search_columns = ["status", "day", "requested_by"]
    filter_choices = {"status": labels.RUN_STATUS}
    show_columns = [
        "kind",
        "day",
        "status",
        "note",
        "other_days",
        "waiting",
        "refused",
        "ignored",
        "stuck",
        "error",
        "attempts",
        "requested_by",
        "started_at",
        "finished_at",
        "former",
    ]
    label_columns = {
        "kind": lazy_gettext("Kind"),
        "day": lazy_gettext("Day"),
        "status": lazy_gettext("Status"),
        "progress": lazy_gettext("Progress"),
        "summary": lazy_gettext("Result"),
        "note": lazy_gettext("Note"),
        "refused": lazy_gettext("Refused files"),
        "ignored": lazy_gettext("Ignored files"),
        "other_days": lazy_gettext("Other dates changed by its files"),
        "waiting": lazy_gettext("Files still arriving"),
        "stuck": lazy_gettext("Files that can't be moved out of the inbox"),
        "former": lazy_gettext("Earlier runs of this day"),
        "error": lazy_gettext("Error"),
        "attempts": lazy_gettext("Attempts"),
        "requested_by": lazy_gettext("By"),
        "started_at": lazy_gettext("Started"),
        "finished_at": lazy_gettext("Finished"),
    }
    formatters_columns = {
        "kind": formats.label(labels.RUN_KIND),
        "status": formats.tag(labels.RUN_STATUS, "run"),
        "progress": formats.progress_bar,
        "note": formats.label(labels.RUN_NOTE),
        "started_at": formats.when,
        "finished_at": formats.when,
    }

    def _get_list_widget(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_list_widget(*args, **kwargs)
        return shown | {"above": [NoteWidget(text=note) for note in ticker_steps.notes()]}

    def list_links(self) -> list[Link]:
        """Return the link to the form that starts a run."""
        return (
            [Link(_("Start a T+1 run"), url_for(".start"), primary=True)]
            if may("can_start", "JobRunView")
            else []
        )

    def offers(self, action: str, item: JobRun) -> bool:
        """Return whether an action applies to the run.

        Only a held run can be released, only a finished one run again, and other dates only as long as they
        were not run since.
        """
        if action == "evaluate_again":
            return bool(runs.days_to_evaluate_again(item))
        if action == "release":
            return item.status == RunStatus.HELD
        return item.status not in (RunStatus.QUEUED, RunStatus.RUNNING)

    def heading(self, item: JobRun) -> str:
        """Return the kind and the day."""
        return f"{labels.word(labels.RUN_KIND, item.kind)} {item.day}"

    def state_of(self, item: JobRun) -> dict[str, Any]:
        """Return the progress of the run."""
        return run_pages.progress_of(item)

    @expose("/start", methods=["GET", "POST"])
    @has_access
    def start(self) -> Any:
        """Start the T+1 run of a day."""
        form = forms.StartRunForm()
        if form.validate_on_submit():
            try:
                run = runs.request_run(form.day.data, me())
            except DomainError as error:
                form.day.errors = [*form.day.errors, error.text()]
            else:
                return redirect(url_for("JobRunView.show", pk=run.id))
        self.update_redirect()
        widget = ConsoleFormWidget(form=form, next=self._list_url(), submit=_("Start the run"))
        return self.render_template("form.html", widgets={"edit": widget}, title=_("Start a T+1 run"))

    @action("rerun", lazy_gettext("Run again"), lazy_gettext("Run this day again?"), multiple=False)
    def rerun(self, item: JobRun) -> Any:
        """Run the day again; nothing is counted twice."""
        runs.request_run(item.day, me())
        return redirect(url_for("JobRunView.show", pk=item.id))

    @action(
        "evaluate_again",
        lazy_gettext("Evaluate the other dates again"),
        lazy_gettext("Rerun the other dates that this run's files changed? Nothing is counted twice."),
        multiple=False,
    )
    def evaluate_again(self, item: JobRun) -> Any:
        """Request runs of the other dates that this run's files changed."""
        days = [day.isoformat() for day in runs.evaluate_again(item, me())]
        event("evaluate_again", "job_run", item.id, title=str(item), days=days)
        flash(_("Runs requested for: %(days)s", days=labels.enumerated(days) or "–"), "success")
        return redirect(url_for("JobRunView.show", pk=item.id))

    @action(
        "release",
        lazy_gettext("Evaluate anyway"),
        lazy_gettext("Evaluate the day although its data looks incomplete?"),
        multiple=False,
    )
    def release(self, item: JobRun) -> Any:
        """Release a held run."""
        runs.release(item, me())
        return redirect(url_for("JobRunView.show", pk=item.id))
