"""The screens of back-tests: the form that starts one, the list, and the page with its figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import abort, flash, redirect, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.actions import action
from flask_appbuilder.fieldwidgets import BS3TextFieldWidget, Select2Widget
from flask_appbuilder.forms import DynamicForm
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import DateField, IntegerField, SelectField
from wtforms.validators import InputRequired, NumberRange

from app import labels
from app.console import formats
from app.console.access import may, me
from app.console.parts import WithProgress
from app.console.table import Link
from app.console.urls import list_url
from app.console.view import ConsoleView
from app.console.widgets import BacktestWidget, ConsoleFormWidget
from app.errors import DomainError
from app.extensions import db
from app.jobs.requested import OPEN
from app.models import Backtest, RuleVersion, RunStatus
from app.rules import backtest_jobs, describe
from app.rules.backtest import MAX_DAYS_AFTER, BacktestPlan
from app.screens.rules import backtest_page


class BacktestForm(DynamicForm):  # type: ignore[misc]
    """Period, conversion window and varied condition of a back-test."""

    first = DateField(lazy_gettext("First day of the period"), validators=[InputRequired()])
    last = DateField(
        lazy_gettext("Last day of the period"),
        description=lazy_gettext("Leave enough time afterwards for hits of the last day to convert."),
        validators=[InputRequired()],
    )
    days_after = IntegerField(
        lazy_gettext("Conversion window"),
        validators=[InputRequired(), NumberRange(1, MAX_DAYS_AFTER)],
        widget=BS3TextFieldWidget(),
    )
    condition = SelectField(
        lazy_gettext("Vary the threshold of"),
        description=lazy_gettext("The other conditions stay as they are."),
        coerce=int,
        widget=Select2Widget(),
    )


class StartsBacktests:
    """Mix-in of the rule versions' screen: start back-tests and link to them."""

    @expose("/backtest/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def backtest(self, pk: int) -> Any:
        """Choose the period and start the back-test of a version in the background."""
        view: Any = self
        version = view._row(pk)
        if not version.conditions:
            abort(
                409, description=_("%(version)s has no condition yet; add one first.", version=str(version))
            )
        form = BacktestForm(data=asdict(backtest_jobs.proposed()))
        form.condition.choices = backtest_page.condition_choices(version)
        if form.validate_on_submit():
            trial = BacktestPlan(form.first.data, form.last.data, form.days_after.data, form.condition.data)
            try:
                row = backtest_jobs.request_backtest(version, trial, me())
            except DomainError as error:
                form.first.errors = [*form.first.errors, error.text()]
            else:
                return redirect(url_for("BacktestView.show", pk=row.id))
        widget = ConsoleFormWidget(
            form=form,
            units={"days_after": _("days")},
            next=url_for("RuleVersionView.show", pk=version.id),
            submit=_("Start the back-test"),
            about=[(_("Meaning"), describe.version_sentence(version))],
        )
        title = _("Back-test of %(version)s", version=str(version))
        return view.render_template("form.html", widgets={"edit": widget}, title=title)

    def backtest_links(self, version: RuleVersion) -> list[Link]:
        """Return the buttons on a version's page: start a back-test, and list the earlier ones."""
        links = []
        if version.conditions and may("can_backtest", "RuleVersionView"):
            links.append(Link(_("Back-test"), url_for("RuleVersionView.backtest", pk=version.id)))
        if may("can_list", "BacktestView") and backtest_jobs.has_backtest(version):
            links.append(Link(_("View back-tests"), list_url("BacktestView", version=version.id)))
        return links


class BacktestView(WithProgress, ConsoleView):
    """回测: what rule versions would have caught, and how many of those leads converted."""

    model = Backtest
    computed = {
        "period": backtest_page.period,
        "summary": backtest_page.summary,
        "rule": lambda row: row.version.rule,
        "sentence": lambda row: describe.version_sentence(row.version),
    }
    base_permissions = ["can_list", "can_show", "can_progress", "cancel"]
    list_title = lazy_gettext("Back-tests")
    show_title = lazy_gettext("Back-test")
    about = lazy_gettext("What rules would have caught in the past, and how many of them converted.")
    empty_next = ("RuleVersionView",)
    empty_hint = lazy_gettext("No back-test yet. Start one on the page of a rule version.")
    list_columns = ["created_at", "rule", "version", "period", "status", "summary", "requested_by"]
    column_terms = {"summary": "test_converted"}
    order_columns = ["created_at", "status"]
    search_columns = ["version", "status", "requested_by", "created_at"]
    filter_choices = {"status": labels.RUN_STATUS}
    show_columns = ["rule", "version", "sentence", "period", "days_after", "requested_by", "created_at"]
    label_columns = {
        "rule": lazy_gettext("Rule"),
        "version": lazy_gettext("Rule version"),
        "sentence": lazy_gettext("Meaning"),
        "period": lazy_gettext("Period"),
        "days_after": lazy_gettext("Conversion window (days)"),
        "status": lazy_gettext("Status"),
        "summary": lazy_gettext("Result"),
        "requested_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Requested at"),
    }
    formatters_columns = {"status": formats.tag(labels.RUN_STATUS, "run"), "created_at": formats.when}

    def heading(self, item: Backtest) -> str:
        """Return the title with the back-test's number and version."""
        return _("Back-test #%(id)s of %(version)s", id=item.id, version=str(item.version))

    def offers(self, action: str, item: Backtest) -> bool:
        """Return whether the back-test can still be cancelled."""
        return item.status in OPEN

    def show_links(self, item: Backtest) -> list[Link]:
        """Return the link to the version."""
        return [Link(_("View the version"), url_for("RuleVersionView.show", pk=item.version_id))]

    def state_of(self, item: Backtest) -> dict[str, Any]:
        """Return the progress of the back-test."""
        return backtest_page.progress_of(item)

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        if item.status != RunStatus.DONE:
            return shown
        figures = BacktestWidget(
            row=item,
            lines=backtest_page.lines(item),
            verdicts=backtest_page.verdicts(item),
            curve=backtest_page.curve_lines(item),
            charts=backtest_page.charts(item),
            warnings=backtest_page.warnings(item),
        )
        return shown | {"more": [figures], "charted": True}

    @action(
        "cancel", lazy_gettext("Cancel back-test"), lazy_gettext("Cancel this back-test?"), multiple=False
    )
    def cancel(self, item: Backtest) -> Any:
        """Cancel the back-test."""
        backtest_jobs.cancel(item)
        db.session.commit()
        flash(_("Back-test cancelled."), "success")
        return redirect(url_for("BacktestView.show", pk=item.id))
