"""The chapters of the user guide, and the one that a page's 帮助 opens."""

from __future__ import annotations

from typing import NamedTuple

from flask import request, url_for

from app.console.access import may


class Chapter(NamedTuple):
    """A chapter: its name in addresses and files, and the views whose pages it explains."""

    slug: str
    views: tuple[str, ...]


#: in the order of the guide
CHAPTERS = (
    Chapter(
        "start",
        (*("HomeView", "SearchView", "ReminderView", "ReminderChoiceView", "GuideView", "SavedViewView"),),
    ),
    Chapter("marketer", ("MyWorkView", "CustomerView", "HitView")),
    Chapter("manager", ("WorkspaceView",)),
    Chapter("leads", ("LeadView", "ImportBatchView", "SuppressionView", "BulkJobView", "BranchView")),
    Chapter("segments", ("SegmentView", "MatrixView", "RfmView", "TagView")),
    Chapter("rules", ("RuleView", "RuleVersionView", "BacktestView")),
    Chapter(
        "schedules",
        (
            *("ScheduleView", "ScheduleVersionView", "PushView", "DeliveryView", "DeliveryAttemptView"),
            *("TargetView", "HolidayView"),
        ),
    ),
    Chapter(
        "outreach",
        (
            *("OutreachBatchView", "OutreachView", "OutreachTemplateView", "SandboxMessageView"),
            *("OutreachSettingView", "ForbiddenWordView", "OutreachTestView"),
        ),
    ),
    Chapter(
        "journeys",
        (
            *("JourneyView", "JourneyVersionView", "JourneySimulationView", "EnrolmentView"),
            *("StrategyTableView", "StrategyRowView"),
        ),
    ),
    Chapter("facts", ("FactView", "ProductView", "OutcomeView")),
    Chapter("effect", ("EffectView", "WeeklyReportView", "ReportMailView")),
    Chapter("data", ("DataStateView", "InstitutionView", "IngestFileView", "CompletenessView", "JobRunView")),
    Chapter("approvals", ("ApprovalView",)),
    Chapter(
        "audit",
        (
            "AuditStateView",
            *("ChangeLogView", "AuditJobView", "ContactStatementView"),
            *("RevealView", "SubjectRequestView"),
            "ExportJobView",
        ),
    ),
    Chapter("staff", ("StaffView", "RoleView", "LoginSessionView", "ApiKeyView", "ApiDocsView")),
    Chapter(
        "configuration",
        (
            "SystemStateView",
            *("WorkSettingView", "CloseReasonView", "ContactResultView", "OutreachGatewayView"),
            "ReminderMailView",
        ),
    ),
)


def chapter_of(view: str | None) -> str:
    """Return the chapter about a view, the first one for a view that none is about."""
    return next((each.slug for each in CHAPTERS if view in each.views), CHAPTERS[0].slug)


def help_url() -> str:
    """Return the address of the chapter about the page that is shown, empty for who has no guide."""
    if not may("can_list", "GuideView"):
        return ""
    return url_for("GuideView.show", slug=chapter_of(request.blueprint))
