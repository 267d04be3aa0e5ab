"""Screens of the weekly report: the reports, and when and to whom they are sent."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, flash, g, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.actions import action
from flask_babel import get_locale, lazy_gettext
from flask_babel import gettext as _

from app.console import formats
from app.console.access import may, me
from app.console.parts import WithProgress
from app.console.table import Link
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget, WeeklyReportWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.lib import clock
from app.models import WeeklyReport
from app.reports import plan, settings
from app.reports.mail import file_name, html_page
from app.reports.pdf import pdf
from app.reports.weeks import sunday_of
from app.reports.wording import Document, document, period, scope
from app.screens.mails.views import ReportMailView
from app.screens.reports import page as reports


class WeeklyReportView(WithProgress, ConsoleView):
    """营销周报: the results of a week of marketing in the branches that a user sees."""

    model = WeeklyReport
    base_permissions = [
        *("can_list", "can_show", "can_progress", "can_fetch", "can_make", "can_timing"),
        "send_to_me",
    ]
    computed = {
        "period": lambda row: period(row.week),
        "scope": scope,
        "state": reports.state,
        "sent": reports.sent,
    }
    list_title = lazy_gettext("Weekly report")
    show_title = lazy_gettext("Weekly report")
    about = lazy_gettext("The marketing of each week in figures, to read, download and mail.")
    empty_next = ("EffectView",)
    empty_hint = lazy_gettext("No reports yet. Create one, or switch on weekly sending.")
    base_order = ("week", "desc")
    list_columns = ["period", "scope", "state", "made_at", "sent", "requested_by"]
    order_columns = ["made_at"]
    search_columns = ["week", "branch", "requested_by"]
    show_columns = ["period", "scope", "state", "made_at", "sent", "requested_by"]
    label_columns = {
        "period": lazy_gettext("Week"),
        "week": lazy_gettext("Monday of the week"),
        "branch": lazy_gettext("Branch"),
        "scope": lazy_gettext("Covers"),
        "state": lazy_gettext("Status"),
        "made_at": lazy_gettext("Report created"),
        "sent": lazy_gettext("By e-mail"),
        "requested_by": lazy_gettext("Requested by"),
    }
    formatters_columns = {"made_at": formats.when, "state": reports.state_tag}
    related_views = [ReportMailView]
    menu_badge = staticmethod(reports.failed_mails)

    def heading(self, item: WeeklyReport) -> str:
        """Return the week and the scope."""
        return f"{_('Weekly report')} {period(item.week)} · {scope(item)}"

    def offers(self, action: str, item: WeeklyReport) -> bool:
        """Return whether the report can be sent, which needs it to be created."""
        return item.made_at is not None

    def list_links(self) -> list[Link]:
        """Return links to create a report, to the sending settings and to the mails."""
        offered = [
            ("can_make", _("Create a report"), ".make"),
            ("can_timing", _("Sending settings"), ".timing"),
        ]
        links = [
            Link(word, url_for(end), primary=end == ".make")
            for name, word, end in offered
            if may(name, "WeeklyReportView")
        ]
        if may("can_list", "ReportMailView"):
            links.append(Link(_("Mails"), url_for("ReportMailView.list")))
        return links

    def show_links(self, item: WeeklyReport) -> list[Link]:
        """Return links to the files, and to the current figures of the same week."""
        links = []
        if item.made_at is not None and may("can_fetch", "WeeklyReportView"):
            links.append(Link(_("Download PDF"), url_for(".pdf", pk=item.id), primary=True))
            links.append(Link(_("Download HTML"), url_for(".html", pk=item.id)))
        if may("can_list", "EffectView"):
            dates: dict[str, Any] = {"first": item.week, "last": sunday_of(item.week)}
            links.append(
                Link(_("Current figures"), url_for("EffectView.list", branch=item.branch_id, **dates))
            )
        return links

    def state_of(self, item: WeeklyReport) -> dict[str, Any]:
        """Return the progress of the report."""
        return reports.progress_of(item)

    def progress_of(self, item: WeeklyReport) -> dict[str, Any] | None:
        """Return the progress of the report, None once it is created."""
        return super().progress_of(item) if item.made_at is None else None

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        if item.made_at is None:
            return shown
        return shown | {"more": [WeeklyReportWidget(report=_document(item))]}

    @expose("/pdf/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("fetch")
    def pdf(self, pk: int) -> Any:
        """Download the report as a PDF, in the language of the screen."""
        report = self._created(pk)
        return _file(pdf(_document(report)), "application/pdf", file_name(report, "pdf"))

    @expose("/html/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("fetch")
    def html(self, pk: int) -> Any:
        """Download the report as a self-contained HTML file."""
        report = self._created(pk)
        page = html_page(_document(report)).encode()
        return _file(page, "text/html; charset=utf-8", file_name(report, "html"))

    def _created(self, pk: int) -> WeeklyReport:
        report: WeeklyReport = self._row(pk)
        if report.made_at is None:
            abort(404, description=_("This report is not ready yet."))
        return report

    @expose("/make", methods=["GET", "POST"])
    @has_access
    def make(self) -> Any:
        """Choose a week; its report is created in the background."""
        form = reports.MakeForm()
        if form.validate_on_submit():
            try:
                report_id = plan.request_report(form.week.data, g.user)
            except DomainError as error:
                db.session.rollback()
                form.week.errors = [*form.week.errors, error.text()]
            else:
                return redirect(url_for(".show", pk=report_id))
        widget = ConsoleFormWidget(form=form, next=self._list_url(), submit=_("Create the report"))
        return self.render_template("form.html", widgets={"edit": widget}, title=_("Create a report"))

    @expose("/timing", methods=["GET", "POST"])
    @has_access
    def timing(self) -> Any:
        """Set when the report is sent, and its receivers."""
        form = reports.setting_form(posted=request.method == "POST")
        if form.validate_on_submit() and self._save(form):
            flash(_("Saved."), "success")
            return redirect(url_for(".timing"))
        widget = ConsoleFormWidget(
            form=form, next=self._list_url(), about=reports.sending_facts(settings.report_setting())
        )
        return self.render_template("form.html", widgets={"edit": widget}, title=_("Sending settings"))

    def _save(self, form: Any) -> bool:
        values = {name: form[name].data for name in settings.DEFAULTS}
        try:
            settings.save(values, form.receivers.data, me(), clock.now())
        except FieldError as error:
            db.session.rollback()
            form[error.field].errors = [*form[error.field].errors, error.text()]
            return False
        db.session.commit()
        return True

    @action("send_to_me", lazy_gettext("E-mail it to me"), multiple=False)
    def send_to_me(self, item: WeeklyReport) -> Any:
        """Send the report to the current user, marked as a test."""
        plan.send_test(item, g.user, clock.now())
        flash(_("The report is on its way to %(address)s.", address=g.user.email), "success")
        return self.back()


def _document(report: WeeklyReport) -> Document:
    return document(report, str(get_locale()))


def _file(data: bytes, mimetype: str, name: str) -> Response:
    answer = Response(data, mimetype=mimetype)
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    answer.headers["Cache-Control"] = "no-store"
    return answer
