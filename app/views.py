"""Every Flask-AppBuilder view, declared here or in its area; logic is one call into a domain package."""

from __future__ import annotations

from typing import Any

from flask import current_app
from flask_babel import lazy_gettext

from app import permissions
from app.console import frame
from app.screens.api.views import ApiDescription, ApiDocsView
from app.screens.approvals.views import ApprovalView
from app.screens.audit.views import AuditJobView, ChangeLogView, SavedFilterView
from app.screens.data.views import CompletenessView, IngestFileView, InstitutionView, JobRunView
from app.screens.hits.effect import EffectView
from app.screens.hits.views import HitApi, HitView
from app.screens.hits.work import CloseReasonView, MyWorkView, WorkSettingView, WorkspaceView
from app.screens.leads.bulk import BulkJobView
from app.screens.leads.classify import MatrixView, SegmentView, TagView
from app.screens.leads.imports import ImportBatchView
from app.screens.leads.suppressions import SuppressionView
from app.screens.leads.views import BranchView, LeadApi, LeadView
from app.screens.outreach.rules import (
    ForbiddenWordView,
    OutreachGatewayView,
    OutreachSettingView,
    OutreachTemplateView,
    SandboxMessageView,
)
from app.screens.outreach.views import OutreachApi, OutreachBatchView, OutreachView
from app.screens.privacy.views import (
    ExportJobView,
    RevealView,
    SubjectRequestView,
)
from app.screens.pushes.views import DeliveryAttemptView, DeliveryView, PushView, TargetView
from app.screens.reminders.views import ReminderChoiceView, ReminderMailView, ReminderView
from app.screens.reports.views import ReportMailView, WeeklyReportView
from app.screens.rules.backtests import BacktestView
from app.screens.rules.views import RuleVersionView, RuleView
from app.screens.schedules.views import HolidayView, ScheduleVersionView, ScheduleView
from app.screens.staff.api_keys import ApiKeyView
from app.screens.staff.views import RoleView, StaffView

#: a lead's page shows what was found about the lead
LeadView.related_views = [HitView]


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
    current_app.view_functions["LocaleView.index"] = frame.switch_language
