"""Screens of the work on hits: workspace, my work, reasons for closing, and assignment settings."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from flask_appbuilder import BaseView, expose, has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import BooleanField, IntegerField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from app import labels
from app.console.access import may, me
from app.console.forms import select
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFilterWidget, ConsoleFormWidget, ConsoleListWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.hits import settings
from app.models import CloseReason, ContactResult, ResultKind
from app.screens.hits import customer_table, effect_page, forms, my_work, workspace
from app.screens.hits import labels as hit_labels


class WorkspaceView(BaseView):  # type: ignore[misc]
    """工作台: key figures and charts of the hits in the user's row scope, and their customers."""

    list_title = lazy_gettext("Workspace")
    default_view = "list"
    base_permissions = ["can_list"]

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show key figures, charts and a page of customers for the filters."""
        try:
            filters = workspace.read_filters(request.args)
        except DomainError as error:
            abort(400, description=error.text())
        dashboard = workspace.Dashboard(filters)
        return self.render_template(
            "hits/workspace.html",
            title=str(self.list_title),
            filters=filters.values,
            choices=workspace.choices(filters),
            ranges=workspace.ranges(filters),
            figures=dashboard.figures(),
            stand_in=dashboard.stand_in(),
            charts=dashboard.charts(),
            more_url=filters.page_url("WorkspaceView.charts"),
            widget=ConsoleListWidget(
                table=customer_table.page_of(
                    _("No customer matches these filters."), bulk_stays=True, **filters.of_list
                )
            ),
        )

    @expose("/charts", methods=["GET"])
    @has_access
    @permission_name("list")
    def charts(self) -> Any:
        """Return the charts of the fold: the funnel, and the hits by rule, grade and branch."""
        try:
            filters = workspace.read_filters(request.args)
        except DomainError as error:
            abort(400, description=error.text())
        charts = [effect_page.funnel_chart(filters), *workspace.Dashboard(filters).more_charts()]
        return render_template("hits/workspace_charts.html", charts=charts)


class MyWorkView(BaseView):  # type: ignore[misc]
    """我的待办: the queue of the day, and the customers who are due, mine, unclaimed or escalated."""

    list_title = lazy_gettext("My work")
    default_view = "list"
    base_permissions = ["can_list"]

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show the counts of the day and the customers of the selected one."""
        tabs = my_work.tabs()
        tab = my_work.select_tab(tabs, request.args.get("show", ""))
        if tab is None:
            abort(404)
        table = my_work.table(tab)
        waiting, held = my_work.to_start(tabs)
        return self.render_template(
            "hits/my_work.html",
            title=str(self.list_title),
            figures=[each.figure(tab) for each in tabs],
            selected=tab,
            waiting=waiting,
            held=held,
            done=my_work.done_today(),
            filters=ConsoleFilterWidget(table=table),
            widget=ConsoleListWidget(table=table),
        )

    @expose("/start", methods=["POST"])
    @has_access
    @permission_name("list")
    def start(self) -> Any:
        """Open the first customer of the queue of a tab, or without ``show`` of the day."""
        kept = my_work.start(my_work.tabs(), request.form.get("show", ""))
        if kept is None:
            flash(_("Nobody waits for you."), "info")
            return redirect(url_for("MyWorkView.list"))
        return redirect(url_for("CustomerView.show", pk=kept.customers[0], queue=kept.id))


class CloseReasonView(ConsoleView):
    """关闭原因: the managed list of reasons for closing hits."""

    model = CloseReason
    list_title = lazy_gettext("Reasons for closing")
    show_title = lazy_gettext("Reason for closing")
    add_title = lazy_gettext("New reason")
    edit_title = lazy_gettext("Edit reason")
    about = lazy_gettext("The reasons among which people choose when they close a hit.")
    empty_hint = lazy_gettext("There are no reasons yet, so no hit can be closed.")
    base_order = ("position", "asc")
    list_columns = ["name", "position", "active", "refusal"]
    order_columns = ["name", "position"]
    search_columns = ["name", "active", "refusal"]
    show_columns = ["name", "position", "active", "refusal"]
    add_columns = edit_columns = ["name", "position", "active", "refusal"]
    label_columns = {
        "name": lazy_gettext("Name"),
        "position": lazy_gettext("Position in the list"),
        "active": lazy_gettext("Can be chosen"),
        "refusal": lazy_gettext("Counts as a refusal"),
    }
    description_columns = {
        "active": lazy_gettext(
            "Once hits have been closed for this reason, switch it off instead of deleting it."
        ),
    }
    formatters_columns = {"active": labels.yes_no, "refusal": labels.yes_no}
    validators_columns = {"name": [DataRequired(), Length(max=64)]}
    add_form_extra_fields = edit_form_extra_fields = {
        "active": BooleanField(lazy_gettext("Can be chosen"), default=True),
        # Declared here so that the box may stay unticked.
        "refusal": BooleanField(
            lazy_gettext("Counts as a refusal"),
            description=lazy_gettext(
                "Closing a hit for this reason also puts the customer on the do-not-disturb list."
            ),
        ),
    }

    def heading(self, item: Any) -> str:
        """Return the name of the reason."""
        return str(item.name)

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the reason with its name trimmed."""
        item.name = item.name.strip()
        item.position = item.position or 0
        if created:
            db.session.add(item)


class ContactResultView(ConsoleView):
    """联系结果: the managed list of results with which contacts end."""

    model = ContactResult
    list_title = lazy_gettext("Results of contacts")
    show_title = lazy_gettext("Result of a contact")
    add_title = lazy_gettext("New result")
    edit_title = lazy_gettext("Edit result")
    about = lazy_gettext("The results that end a contact with one click.")
    empty_hint = lazy_gettext("There are no results yet; contacts can only be recorded with a note.")
    base_order = ("position", "asc")
    computed = {"after": hit_labels.after}
    number_columns = frozenset({"after"})
    list_columns = ["name", "name_en", "kind", "after", "close_reason", "wrong_number", "position", "active"]
    order_columns = ["name", "position"]
    search_columns = ["name", "kind", "active"]
    show_columns = list_columns
    add_columns = edit_columns = [
        *("name", "name_en", "kind", "next_days", "close_reason"),
        *("wrong_number", "position", "active"),
    ]
    filter_choices = {"kind": hit_labels.RESULT_KIND}
    label_columns = {
        "name": lazy_gettext("Name"),
        "name_en": lazy_gettext("English name"),
        "kind": lazy_gettext("What follows"),
        "after": lazy_gettext("Next contact after"),
        "next_days": lazy_gettext("Next contact after"),
        "close_reason": lazy_gettext("Reason for closing"),
        "position": lazy_gettext("Position in the list"),
        "active": lazy_gettext("Can be chosen"),
        "wrong_number": lazy_gettext("Wrong number"),
    }
    description_columns = {
        "close_reason": lazy_gettext(
            "For a result that closes. If it counts as a refusal, the customer is put on the do-not-disturb"
            " list as well."
        ),
    }
    units = {"next_days": lazy_gettext("days")}
    formatters_columns = {
        "kind": lambda value: labels.word(hit_labels.RESULT_KIND, value),
        "active": labels.yes_no,
        "wrong_number": labels.yes_no,
    }
    validators_columns = {"name": [DataRequired(), Length(max=64)], "name_en": [Length(max=64)]}
    add_form_extra_fields = edit_form_extra_fields = {
        "kind": select(lazy_gettext("What follows"), hit_labels.RESULT_KIND),
        "next_days": IntegerField(
            lazy_gettext("Next contact after"),
            default=3,
            description=lazy_gettext("Suggested; whoever records the result may choose another."),
            validators=[InputRequired(), NumberRange(0, 366)],
        ),
        "wrong_number": BooleanField(
            lazy_gettext("Wrong number"),
            description=lazy_gettext(
                "Customers whose last contact ended so are marked: the number has to be checked."
            ),
        ),
        "active": BooleanField(
            lazy_gettext("Can be chosen"),
            default=True,
            description=lazy_gettext("Once contacts have ended so, switch it off instead of deleting it."),
        ),
    }

    def heading(self, item: Any) -> str:
        """Return the name of the result."""
        return str(item.name)

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the result. Raises FieldError when one that closes has no reason for closing."""
        item.name, item.name_en = item.name.strip(), (item.name_en or "").strip()
        item.position = item.position or 0
        if item.kind != ResultKind.CLOSE:
            item.close_reason = None
        elif item.close_reason is None:
            raise FieldError("close_reason", "Choose the reason with which this result closes hits.")
        if created:
            db.session.add(item)


class WorkSettingView(BaseView):  # type: ignore[misc]
    """分配与时限: automatic assignment of customers, and deadlines for working with them."""

    list_title = lazy_gettext("Assignment and deadlines")
    default_view = "list"
    base_permissions = ["can_list", "can_edit"]
    _units = {
        "most_open": lazy_gettext("customers"),
        "respond_days": lazy_gettext("days"),
        "overdue_days": lazy_gettext("days"),
    }

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show the settings, as a form to those who may change them."""
        return self._page(forms.WorkSettingForm(obj=settings.work_setting()))

    @expose("/edit", methods=["POST"])
    @has_access
    def edit(self) -> Any:
        """Store the posted settings."""
        form = forms.WorkSettingForm()
        if not form.validate():
            return self._page(form)
        names = ("auto_assign", "most_open", "respond_days", "overdue_days")
        settings.store({name: form[name].data for name in names}, me())
        db.session.commit()
        flash(_("Saved."), "success")
        return redirect(url_for("WorkSettingView.list"))

    def _page(self, form: Any) -> Any:
        fixed = not may("can_edit", "WorkSettingView")
        widget = ConsoleFormWidget(
            form=form, units=self._units, action=url_for("WorkSettingView.edit"), fixed=fixed
        )
        return self.render_template("form.html", widgets={"edit": widget}, title=str(self.list_title))
