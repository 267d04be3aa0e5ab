"""Every Flask-AppBuilder view, declared here or in its area; logic is one call into a domain package."""

from __future__ import annotations

from typing import Any

from flask import current_app, flash, g, redirect, url_for
from flask_appbuilder import expose
from flask_appbuilder.actions import action
from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
from flask_appbuilder.views import IndexView
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import BooleanField, StringField
from wtforms.validators import DataRequired, Length, Optional

from app import labels, permissions
from app.access import keys
from app.api_views import ApiDescription, ApiDocsView, RowsApi
from app.approval_views import ApprovalView
from app.audit_views import AuditJobView, ChangeLogView, SavedFilterView
from app.backtest_views import BacktestView
from app.bulk_views import BulkJobView, ChangesWholeList
from app.clock import today
from app.console import ConsoleView
from app.data_views import CompletenessView, IngestFileView, InstitutionView, JobRunView
from app.delivery_views import DeliveryAttemptView, DeliveryView, PushView, TargetView
from app.effect_views import EffectView
from app.errors import FieldError
from app.extensions import db
from app.hit_views import HitApi, HitView
from app.import_views import ImportBatchView
from app.key_views import ApiKeyView
from app.lead_views import ClassifiesLeads, MatrixView, SegmentView, TagView
from app.leads import branches, record, suppression
from app.models import (
    Branch,
    Lead,
)
from app.outreach_rule_views import (
    ForbiddenWordView,
    OutreachGatewayView,
    OutreachSettingView,
    OutreachTemplateView,
    SandboxMessageView,
)
from app.outreach_views import OutreachApi, OutreachBatchView, OutreachView
from app.pages import forms, phones, segment_words, shell, suppressions
from app.pages.access import may, me
from app.pages.forms import CODE, select
from app.pages.lead_filters import LEAD_FILTERS
from app.pages.lists import Link
from app.personal_views import ExportJobView, ExportsList, RevealsPhones, RevealView, SubjectRequestView
from app.push_views import HolidayView, ScheduleVersionView, ScheduleView
from app.reminder_views import ReminderChoiceView, ReminderMailView, ReminderView
from app.report_views import ReportMailView, WeeklyReportView
from app.rule_views import RuleVersionView, RuleView
from app.rules import lead_filter
from app.staff_views import RoleView, StaffView
from app.suppression_views import SuppressionView
from app.tables import ConsoleInterface
from app.work_views import CloseReasonView, MyWorkView, WorkSettingView, WorkspaceView


class HomeView(IndexView):  # type: ignore[misc]
    """The first page: log-in when nobody is, else the first screen the person may open."""

    index_template = "home.html"

    @expose("/")
    def index(self) -> Any:
        """Send the person to work."""
        if not g.user or not g.user.is_authenticated:
            return redirect(self.appbuilder.get_url_for_login)
        home = [
            view for role, view in permissions.HOME.items() if role in {each.name for each in g.user.roles}
        ]
        for views in (home, *permissions.MENU.values()):
            for view in views:
                if self.appbuilder.sm.has_access("can_list", view):
                    return redirect(url_for(f"{view}.list"))
        return self.render_template(self.index_template)


class LeadView(RevealsPhones, ExportsList, ChangesWholeList, ClassifiesLeads, ConsoleView):
    """线索管理: the list of existing customers."""

    model = Lead
    export_kind = "leads"
    computed = {"phone": phones.phone_of_lead, "suppressed_by": suppressions.of_lead}
    empty_hint = lazy_gettext("No lead yet. Import a lead list, or add one by hand.")
    list_title = lazy_gettext("Leads")
    show_title = lazy_gettext("Lead")
    add_title = lazy_gettext("Add lead")
    edit_title = lazy_gettext("Edit lead")
    base_order = ("created_at", "desc")
    list_columns = ["lead_no", "name", "phone_masked", "source", "status", "tags", "branch", "created_at"]
    order_columns = ["lead_no", "name", "source", "status", "created_at"]
    search_columns = [
        "name",
        "phone_index",
        "source",
        "status",
        "lead_no",
        "branch",
        "tag",
        "segment",
        "grade",
        "opted_out",
        "created_at",
        "matrix",
    ]
    special_filters = LEAD_FILTERS
    search_form_extra_fields = {name: StringField() for name in LEAD_FILTERS}
    filter_choices = {"status": labels.LEAD_STATUS}
    show_columns = [
        "lead_no",
        "name",
        "phone",
        "source",
        "status",
        "tags",
        "opted_out",
        "suppressed_by",
        "branch",
        "batch",
        "created_at",
        "updated_at",
    ]
    add_columns = ["name", "phone", "id_number", "source", "branch", "status"]
    edit_fieldsets = [
        (lazy_gettext("Lead"), {"fields": ["name", "new_phone", "source", "branch", "status", "tags"]}),
        (lazy_gettext("Do not disturb"), {"fields": ["do_not_disturb", "do_not_disturb_reason"]}),
    ]
    label_columns = {
        "lead_no": lazy_gettext("Lead no."),
        "name": lazy_gettext("Customer name"),
        "phone": lazy_gettext("Phone"),
        "phone_masked": lazy_gettext("Phone"),
        "phone_index": lazy_gettext("Phone (whole number)"),
        "source": lazy_gettext("Source channel"),
        "status": lazy_gettext("Status"),
        "branch": lazy_gettext("Branch"),
        "batch": lazy_gettext("Import batch"),
        "opted_out": lazy_gettext("Do not disturb"),
        "suppressed_by": lazy_gettext("On the list because"),
        "tags": lazy_gettext("Tags"),
        "tag": lazy_gettext("Tag"),
        "segment": lazy_gettext("Segment"),
        "grade": lazy_gettext("Best grade"),
        "matrix": lazy_gettext("Matrix"),
        "created_at": lazy_gettext("Created"),
        "updated_at": lazy_gettext("Changed"),
    }
    description_columns = {
        "source": lazy_gettext("Where the customer came from, such as 官网预约 or 线下活动."),
    }
    formatters_columns = {
        "lead_no": labels.code,
        "phone_masked": labels.code,
        "status": labels.tag(labels.LEAD_STATUS, "lead"),
        "opted_out": labels.yes_no,
        "tags": segment_words.tag_chips,
        "created_at": labels.when,
        "updated_at": labels.when,
    }
    add_form_extra_fields = {
        "phone": StringField(
            lazy_gettext("Phone"), validators=[DataRequired(), Length(max=40)], widget=BS3TextFieldWidget()
        ),
        "id_number": StringField(
            lazy_gettext("ID number"),
            description=lazy_gettext("Only its keyed hash is kept; the number itself is stored nowhere."),
            validators=[DataRequired(), Length(max=40)],
            widget=BS3TextFieldWidget(),
        ),
        "status": select(lazy_gettext("Status"), labels.LEAD_STATUS),
    }
    edit_form_extra_fields = {
        "new_phone": StringField(
            lazy_gettext("New phone"),
            description=lazy_gettext("Leave empty to keep the present number."),
            validators=[Optional(), Length(max=40)],
            widget=BS3TextFieldWidget(),
        ),
        "tags": forms.tags(),
        "do_not_disturb": BooleanField(
            lazy_gettext("Do not disturb"),
            description=lazy_gettext("A customer on the do-not-disturb list is never contacted."),
        ),
        "do_not_disturb_reason": StringField(
            lazy_gettext("Reason for the change"),
            description=lazy_gettext("Only when the tick changes; it stays with the entry of the list."),
            validators=[Optional(), Length(max=255)],
            widget=BS3TextFieldWidget(),
        ),
        "status": select(lazy_gettext("Status"), labels.LEAD_STATUS),
    }
    validators_columns = {"name": [DataRequired()]}

    def list_links(self) -> list[Link]:
        """Import a file, export the list."""
        return [
            *(
                [Link(_("Import leads"), url_for("ImportBatchView.upload"))]
                if may("can_upload", "ImportBatchView")
                else []
            ),
            *self.bulk_links(),
            *self.export_links(),
        ]

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Keep the identity as a hash, the phone encrypted, and the do-not-disturb list true."""
        settings = current_app.config["SETTINGS"]
        suppression.hold(db.session)
        if lost := record.set_texts(item):
            flash(_("%(lost)s can't be part of a text and was left out.", lost=", ".join(lost)), "warning")
        if created:
            # The identity last: a form refused for another reason must not tell whether a person is here.
            record.set_phone(item, form.phone.data, settings)
            record.set_identity(item, form.id_number.data, settings, me())
            db.session.add(item)
        elif form.new_phone.data:
            try:
                record.set_phone(item, form.new_phone.data, settings)
            except FieldError as error:
                raise FieldError("new_phone", error.message, **error.values) from None
        suppression.refresh_lead(db.session, item, today())
        if not created:
            self.follow_tick(item, form)

    def prefill_form(self, form: Any, pk: Any) -> None:
        """Show whether the list names the lead."""
        form.do_not_disturb.data = self._row(pk).opted_out

    def remove(self, item: Any) -> None:
        """Deletion is soft until retention purges."""
        record.soft_delete(item)

    @action("delete_many", lazy_gettext("Delete"), lazy_gettext("Delete the selected leads?"), single=False)
    def delete_many(self, items: list[Lead]) -> Any:
        """Delete the ticked leads."""
        count = self.each(items, record.soft_delete)
        flash(_("%(n)s leads deleted.", n=count), "success")
        return self.back()


class BranchView(ConsoleView):
    """The branch tree that row scope follows."""

    model = Branch
    computed = {"tree_name": branches.tree_name}
    list_title = lazy_gettext("Branches")
    show_title = lazy_gettext("Branch")
    add_title = lazy_gettext("Add branch")
    edit_title = lazy_gettext("Edit branch")
    base_order = ("path", "asc")
    list_columns = ["tree_name", "code", "parent"]
    order_columns = ["code"]
    search_columns = ["name", "code", "parent"]
    show_columns = ["code", "name", "parent"]
    add_columns = ["code", "name", "parent"]
    edit_columns = ["code", "name", "parent"]
    label_columns = {
        "tree_name": lazy_gettext("Branch"),
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "parent": lazy_gettext("Belongs to"),
    }
    formatters_columns = {"code": labels.code}
    validators_columns = {"code": [DataRequired(), CODE], "name": [DataRequired()]}

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Keep the paths of the whole sub-tree true."""
        lead_filter.check_change(item)
        if created:
            db.session.add(item)
        limited = keys.limited()
        branches.place(item)
        keys.check_limited(limited)

    def remove(self, item: Any) -> None:
        """A branch that a rule asks for stays."""
        lead_filter.check_removal(item)
        limited = keys.limited()
        db.session.delete(item)
        db.session.flush()
        keys.check_limited(limited)


#: a lead's page shows what was found about the lead
LeadView.related_views = [HitView]


class LeadApi(RowsApi):
    """Leads for the bank's own systems, masked."""

    resource_name = "leads"
    datamodel = ConsoleInterface(Lead, db.session)
    list_columns = ["id", "lead_no", "name", "phone_masked", "source", "status", "branch.code", "created_at"]
    show_columns = list_columns
    search_columns = ["lead_no", "status", "source", "created_at"]
    order_columns = ["id", "created_at"]


_LABELS = {
    "Leads": lazy_gettext("Leads"),
    "Rules": lazy_gettext("Rules"),
    "Schedules": lazy_gettext("Push frequency"),
    "Hits": lazy_gettext("High-potential leads"),
    "Data": lazy_gettext("Data and jobs"),
    "Audit": lazy_gettext("Audit"),
    "Settings": lazy_gettext("Settings"),
}
_ICONS = {
    "Leads": "fa-users",
    "Rules": "fa-sliders",
    "Schedules": "fa-clock-o",
    "Hits": "fa-bullseye",
    "Data": "fa-database",
    "Audit": "fa-shield",
    "Settings": "fa-gear",
}


#: The screens of the menu by the name that permissions.MENU gives them.
_SCREENS = {
    view.__name__: view
    for view in (
        LeadView,
        SegmentView,
        MatrixView,
        TagView,
        SuppressionView,
        ImportBatchView,
        BranchView,
        RuleView,
        RuleVersionView,
        BacktestView,
        ScheduleView,
        ScheduleVersionView,
        PushView,
        DeliveryView,
        TargetView,
        HolidayView,
        HitView,
        WorkspaceView,
        MyWorkView,
        EffectView,
        WeeklyReportView,
        CloseReasonView,
        WorkSettingView,
        OutreachBatchView,
        OutreachView,
        OutreachTemplateView,
        SandboxMessageView,
        OutreachSettingView,
        ForbiddenWordView,
        ReminderMailView,
        OutreachGatewayView,
        ApiKeyView,
        ApiDocsView,
        InstitutionView,
        IngestFileView,
        CompletenessView,
        JobRunView,
        ExportJobView,
        BulkJobView,
        ChangeLogView,
        AuditJobView,
        ApprovalView,
        StaffView,
        RoleView,
        RevealView,
        SubjectRequestView,
    )
}


def register(appbuilder: Any) -> None:
    """Add every view, in the order of the work."""
    for category, names in permissions.MENU.items():
        for name in names:
            view = _SCREENS[name]
            appbuilder.add_view(
                view,
                name,
                label=view.list_title,
                category=category,
                category_label=_LABELS[category],
                category_icon=_ICONS[category],
            )
    appbuilder.add_view_no_menu(DeliveryAttemptView)
    appbuilder.add_view_no_menu(ReminderView)
    appbuilder.add_view_no_menu(ReportMailView)
    appbuilder.add_view_no_menu(ReminderChoiceView)
    appbuilder.add_view_no_menu(SavedFilterView)
    appbuilder.add_api(LeadApi)
    appbuilder.add_api(HitApi)
    appbuilder.add_api(OutreachApi)
    appbuilder.add_api(ApiDescription)
    # Flask-AppBuilder's goes back by the addresses in the session, which keeps none.
    current_app.view_functions["LocaleView.index"] = shell.switch_language
