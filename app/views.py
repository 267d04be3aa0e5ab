"""The registered views: the menu in its order, views outside the menu, APIs, and the home page by role."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import current_app
from flask_appbuilder import BaseView
from flask_babel import lazy_gettext

from app.console import frame
from app.screens.api.views import ApiDescription, ApiDocsView
from app.screens.approvals.views import ApprovalView
from app.screens.audit.views import AuditJobView, ChangeLogView
from app.screens.data.views import CompletenessView, IngestFileView, InstitutionView, JobRunView
from app.screens.desks.views import AuditStateView, DataStateView, SystemStateView, home_tabs
from app.screens.facts.api import FactApi
from app.screens.facts.views import FactView
from app.screens.guide.views import GuideView
from app.screens.hits.customers import CustomerView
from app.screens.hits.effect import EffectView
from app.screens.hits.views import HitApi, HitView
from app.screens.hits.work import (
    CloseReasonView,
    ContactResultView,
    MyWorkView,
    WorkSettingView,
    WorkspaceView,
)
from app.screens.journeys.simulations import JourneySimulationView
from app.screens.journeys.strategy_views import StrategyRowView, StrategyTableView
from app.screens.journeys.views import EnrolmentView, JourneyVersionView, JourneyView
from app.screens.leads.bulk import BulkJobView
from app.screens.leads.classify import MatrixView, SegmentView, TagView
from app.screens.leads.imports import ImportBatchView
from app.screens.leads.rfm import RfmView
from app.screens.leads.suppressions import SuppressionView
from app.screens.leads.views import BranchView, LeadApi, LeadView
from app.screens.mails.views import ReminderMailView, ReportMailView
from app.screens.outcomes.api import OutcomeApi
from app.screens.outcomes.views import OutcomeView
from app.screens.outreach.api import OutreachApi
from app.screens.outreach.rules import (
    ContactStatementView,
    ForbiddenWordView,
    OutreachGatewayView,
    OutreachSettingView,
    SandboxMessageView,
)
from app.screens.outreach.templates import OutreachTemplateView, OutreachTestView
from app.screens.outreach.views import OutreachBatchView, OutreachView
from app.screens.privacy.views import (
    ExportJobView,
    RevealView,
    SubjectRequestView,
)
from app.screens.products.views import ProductView
from app.screens.pushes.views import DeliveryAttemptView, DeliveryView, PushView, TargetView
from app.screens.reminders.views import ReminderChoiceView, ReminderView
from app.screens.reports.views import WeeklyReportView
from app.screens.rules.backtests import BacktestView
from app.screens.rules.views import RuleVersionView, RuleView
from app.screens.saved.views import SavedViewView
from app.screens.schedules.views import HolidayView, ScheduleVersionView, ScheduleView
from app.screens.search.views import SearchView, limit_rate
from app.screens.staff.api_keys import ApiKeyView
from app.screens.staff.sessions import LoginSessionView
from app.screens.staff.views import RoleView, StaffView


class Area(NamedTuple):
    """An area of the menu: its name in permissions, label, icon and screens."""

    name: str
    label: Any
    icon: str
    screens: tuple[type[BaseView], ...]


#: The home page of a role, in the order in which one is chosen for a person with several: work, upkeep,
#: looking. Other roles start at the first screen of the menu that they may open.
HOME: dict[str, type[BaseView]] = {
    "Manager": WorkspaceView,
    "Marketer": MyWorkView,
    "DataOperator": DataStateView,
    "Admin": SystemStateView,
    "Auditor": AuditStateView,
}

#: By what people do: work, analyse, look after data, configure, manage. A user sees the screens that
#: they may list, but for areas that ``permissions.AREAS`` keeps to some roles.
MENU = (
    Area(
        "Hits",
        lazy_gettext("High-potential leads"),
        "fa-bullseye",
        (
            WorkspaceView,
            CustomerView,
            MyWorkView,
            HitView,
            OutreachBatchView,
            OutreachView,
            OutreachTestView,
            ApprovalView,
        ),
    ),
    Area(
        "Leads",
        lazy_gettext("Leads"),
        "fa-users",
        (
            LeadView,
            SegmentView,
            SuppressionView,
            ImportBatchView,
        ),
    ),
    Area(
        "Analysis",
        lazy_gettext("Analysis"),
        "fa-line-chart",
        (
            EffectView,
            WeeklyReportView,
            MatrixView,
            RfmView,
        ),
    ),
    Area(
        "Data",
        lazy_gettext("Data and jobs"),
        "fa-database",
        (
            DataStateView,
            OutcomeView,
            InstitutionView,
            IngestFileView,
            CompletenessView,
            JobRunView,
            ExportJobView,
            BulkJobView,
        ),
    ),
    Area(
        "Rules",
        lazy_gettext("Rules"),
        "fa-sliders",
        (
            RuleView,
            RuleVersionView,
            BacktestView,
        ),
    ),
    Area(
        "Schedules",
        lazy_gettext("Push frequency"),
        "fa-clock-o",
        (
            ScheduleView,
            ScheduleVersionView,
            PushView,
            DeliveryView,
        ),
    ),
    Area(
        "Journeys",
        lazy_gettext("Journeys"),
        "fa-random",
        (
            JourneyView,
            StrategyTableView,
            JourneyVersionView,
            JourneySimulationView,
            EnrolmentView,
        ),
    ),
    Area(
        "Setup",
        lazy_gettext("Business settings"),
        "fa-wrench",
        (
            OutreachTemplateView,
            ProductView,
            ContactResultView,
            CloseReasonView,
            WorkSettingView,
            TagView,
            FactView,
            OutreachSettingView,
            ForbiddenWordView,
            TargetView,
            HolidayView,
            SandboxMessageView,
        ),
    ),
    Area(
        "Audit",
        lazy_gettext("Audit"),
        "fa-shield",
        (
            AuditStateView,
            ChangeLogView,
            AuditJobView,
            ContactStatementView,
            RevealView,
            SubjectRequestView,
        ),
    ),
    Area(
        "Settings",
        lazy_gettext("Settings"),
        "fa-gear",
        (
            SystemStateView,
            StaffView,
            RoleView,
            BranchView,
            ReminderMailView,
            OutreachGatewayView,
            ApiKeyView,
            ApiDocsView,
        ),
    ),
)
WITHOUT_MENU = (
    LoginSessionView,
    DeliveryAttemptView,
    StrategyRowView,
    ReminderView,
    ReportMailView,
    ReminderChoiceView,
    SavedViewView,
    SearchView,
    GuideView,
)
APIS = (LeadApi, HitApi, OutreachApi, FactApi, OutcomeApi, ApiDescription)

#: a lead's page lists its hits
LeadView.related_views = [HitView]


def register(appbuilder: Any) -> None:
    """Register every view, in the order of the menu."""
    current_app.jinja_env.globals["first_steps"] = appbuilder.indexview.first_steps
    appbuilder.indexview.homes = {role: view.__name__ for role, view in HOME.items()}
    current_app.jinja_env.globals["home_tabs"] = home_tabs
    for area in MENU:
        for view in area.screens:
            appbuilder.add_view(
                view,
                view.__name__,
                label=view.list_title,
                category=area.name,
                category_label=area.label,
                category_icon=area.icon,
            )
    for view in WITHOUT_MENU:
        appbuilder.add_view_no_menu(view)
    limit_rate(appbuilder.sm.limiter)
    for api in APIS:
        appbuilder.add_api(api)
    # Flask-AppBuilder's own view returns to a page of the session's history, which we don't keep.
    current_app.view_functions["LocaleView.index"] = frame.switch_language
