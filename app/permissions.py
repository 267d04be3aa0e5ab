"""Permissions of the roles, in one table that seeding and tests read.

Each entry is a view and, for each of its permissions, the roles that have it, one letter per role:
A Admin · M Manager · K Marketer · D DataOperator · U Auditor · I Integration (API keys).
Row scope is separate, in ``app/access/scope.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ROLES = {
    "A": "Admin",
    "M": "Manager",
    "K": "Marketer",
    "D": "DataOperator",
    "U": "Auditor",
    "I": "Integration",
}
ROLE_LABELS = {
    "Admin": "系统管理员",
    "Manager": "营销主管",
    "Marketer": "营销专员",
    "DataOperator": "数据管理员",
    "Auditor": "审计员",
    "Integration": "系统接口",
}
#: letters and names of the roles of people; Integration is for systems
EVERYONE = "".join(letter for letter, role in ROLES.items() if role != "Integration")
STAFF_ROLES = tuple(ROLES[letter] for letter in EVERYONE)

#: view → {permission: role letters}
TABLE: dict[str, dict[str, str]] = {
    # 线索管理
    "LeadView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
        "can_reveal": "AMK",
        "can_export_all": "AM",
        "can_export_clear": "AM",
        "export": "AM",
        "can_bulk": "AM",
        "delete_many": "AM",
        "tag": "AM",
        "untag": "AM",
    },
    "SegmentView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_add": "AMK",
        "can_edit": "AMK",
        "can_delete": "AMK",
        "can_count": "AMK",
    },
    "MatrixView": {
        "can_list": "AMKU",
    },
    "RfmView": {
        "can_list": "AMKU",
    },
    "TagView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
    },
    "FactView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
        "can_upload": "AM",
        "can_template": "AM",
    },
    "OutcomeView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_upload": "AM",
        "can_template": "AM",
    },
    "ProductView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
    },
    "SuppressionView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_add": "AM",
        "can_upload": "AM",
        "can_template": "AM",
        "can_take_off": "AM",
        "remove_entry": "AM",
    },
    "BranchView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_add": "A",
        "can_edit": "A",
        "can_delete": "A",
    },
    "ImportBatchView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_progress": "AMU",
        "can_upload": "AM",
        "can_errors": "AM",
        "can_template": "AM",
        "cancel": "AM",
        "begin_again": "AM",
        "undo": "AM",
    },
    # 监控指标
    "RuleView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_add": "AM",
        "can_delete": "AM",
        "draft": "AM",
        "pause": "AM",
        "resume": "AM",
        "retire": "AM",
    },
    "RuleVersionView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_edit": "AM",
        "can_delete": "AM",
        "can_submit": "AM",
        "can_backtest": "AM",
    },
    # 推送频率
    "ScheduleView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
        "can_preview": "AMKU",
        "can_test": "AM",
        "pause": "AM",
        "resume": "AM",
        "retire": "AM",
    },
    "ScheduleVersionView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_delete": "AM",
        "can_submit": "AM",
        "can_compare": "AMKU",
    },
    # 营销旅程
    "JourneyView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_add": "AM",
        "draft": "AM",
        "can_delete": "AM",
        "can_pause": "AM",
        "can_stop": "AM",
    },
    "JourneySimulationView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_progress": "AMU",
        "can_steps": "AM",
        "cancel": "AM",
    },
    "JourneyVersionView": {
        "can_simulate": "AM",
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_edit": "AM",
        "can_delete": "AM",
        "can_submit": "AM",
    },
    "StrategyTableView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
    },
    "StrategyRowView": {
        "can_list": "AMKU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
        "up": "AM",
        "down": "AM",
    },
    "EnrolmentView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
    },
    "HolidayView": {
        "can_list": "AMKU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
        "can_upload": "AM",
        "can_template": "AM",
    },
    "BacktestView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_progress": "AMU",
        "cancel": "AM",
    },
    "PushView": {
        "can_list": "AMU",
        "can_show": "AMU",
    },
    "DeliveryView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "retry_now": "AM",
        "replay": "AM",
        "cancel": "AM",
    },
    "DeliveryAttemptView": {
        "can_list": "AMU",
    },
    "TargetView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_create": "A",
        "can_settings": "A",
        "can_secret": "A",
        "try_out": "AM",
        "stop": "AM",
        "resume": "AM",
    },
    "ReminderView": {
        "can_list": EVERYONE,
        "can_unread": EVERYONE,
        "can_read_all": EVERYONE,
        "look": EVERYONE,
        "read": EVERYONE,
    },
    "GuideView": {
        "can_list": EVERYONE,
    },
    "SearchView": {
        "can_search": EVERYONE,
    },
    "ReminderChoiceView": {
        "can_this_form_get": EVERYONE,
        "can_this_form_post": EVERYONE,
    },
    # 高潜线索
    "WorkspaceView": {
        "can_list": "AMKU",
    },
    "MyWorkView": {
        "can_list": "AMK",
    },
    "EffectView": {
        "can_list": "AMKU",
        "can_export": "AMKU",
    },
    "CustomerView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_export_all": "AMK",
        "can_export_clear": "AM",
        "claim": "AMK",
        "assign": "AM",
        "give_back": "AMK",
        "hand_over": "K",
        "ask": "AMK",
        "grant": "AMK",
        "decline": "AMK",
        "close": "AMK",
        "export": "AMK",
        "can_contact_many": "AM",
        "can_contact_one": "AMK",
        "can_assign_all": "AM",
        "can_allow_call": "AM",
        "sms": "AM",
        "call": "AM",
    },
    "HitView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_export_all": "AMK",
        "can_export_clear": "AM",
        "can_work": "AMK",
        "claim": "AMK",
        "start": "AMK",
        "follow_up": "AMK",
        "reopen": "AMK",
        "assign": "AM",
        "close": "AMK",
        "recompute": "AMKU",
        "export": "AMK",
        "can_contact_many": "AM",
        "can_contact_one": "AMK",
        "sms": "AM",
        "call": "AM",
    },
    "CloseReasonView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
    },
    "ContactResultView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
    },
    "WorkSettingView": {
        "can_list": "AMU",
        "can_edit": "AM",
    },
    "OutreachBatchView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_progress": "AMKU",
        "can_confirm": "AMK",
        "pause": "AMK",
        "resume": "AMK",
        "cancel": "AMK",
    },
    "OutreachView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
    },
    "OutreachTemplateView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
        "can_test_sms": "AMK",
    },
    "OutreachTestView": {
        "can_list": "AMKU",
    },
    "ForbiddenWordView": {
        "can_list": "AMU",
        "can_add": "AM",
        "can_edit": "AM",
        "can_delete": "AM",
    },
    "SandboxMessageView": {
        "can_list": "AMKU",
    },
    "WeeklyReportView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_progress": "AMKU",
        "can_fetch": "AMKU",
        "can_make": "AM",
        "can_timing": "AM",
        "send_to_me": "AMK",
    },
    "ReportMailView": {
        "can_list": "AMU",
        "retry": "AM",
    },
    "OutreachSettingView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_change": "AM",
    },
    "OutreachGatewayView": {
        "can_list": "AU",
        "can_show": "AU",
        "can_add": "A",
        "can_edit": "A",
        "can_delete": "A",
        "can_switch": "A",
        "switch_on": "A",
        "switch_off": "A",
    },
    # 数据与任务
    "DataStateView": {
        "can_list": "ADU",
    },
    "InstitutionView": {
        "can_list": "AMKDU",
        "can_show": "AMKDU",
        "can_add": "AD",
        "can_edit": "AD",
        "can_delete": "AD",
    },
    "IngestFileView": {
        "can_list": "ADU",
        "can_show": "ADU",
        "can_rejects": "AD",
        "can_correct": "AD",
        "can_progress": "ADU",
        "evaluate_again": "AD",
    },
    "CompletenessView": {
        "can_list": "ADU",
    },
    "JobRunView": {
        "can_list": "AMDU",
        "can_show": "AMDU",
        "can_progress": "AMDU",
        "can_start": "AD",
        "rerun": "AD",
        "release": "AD",
        "evaluate_again": "AD",
    },
    "ExportJobView": {
        "can_list": "AMKU",
        "can_show": "AMKU",
        "can_progress": "AMKU",
        "can_fetch": "AMK",
    },
    # 审计
    "ApprovalView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_approve": "AM",
        "can_reject": "AM",
        "withdraw": "AM",
    },
    "BulkJobView": {
        "can_list": "AMU",
        "can_show": "AMU",
        "can_progress": "AMU",
        "cancel": "AM",
    },
    # 审计
    "AuditStateView": {
        "can_list": "AU",
    },
    "ChangeLogView": {
        "can_list": "AU",
        "can_show": "AU",
        "can_export_log": "AU",
    },
    "AuditJobView": {
        "can_list": "AU",
        "can_show": "AU",
        "can_progress": "AU",
        "can_fetch": "AU",
        "can_verify": "AU",
    },
    "SavedViewView": {
        "can_list": EVERYONE,
        "can_edit": EVERYONE,
        "can_delete": EVERYONE,
    },
    # 系统设置
    "SystemStateView": {
        "can_list": "AU",
    },
    "ContactStatementView": {
        "can_list": "AMU",
    },
    "RevealView": {
        "can_list": "AU",
    },
    "SubjectRequestView": {
        "can_list": "AU",
        "can_find": "A",
        "can_held": "A",
        "can_file": "A",
        "can_erase": "A",
    },
    "StaffView": {
        "can_list": "AU",
        "can_show": "AU",
        "can_add": "A",
        "can_edit": "A",
        "can_delete": "A",
        "can_userinfo": EVERYONE,
        "userinfoedit": EVERYONE,
        "resetmypassword": EVERYONE,
        "choosereminders": EVERYONE,
        "endsessions": EVERYONE,
        "resetpasswords": "A",
        "resetfactor": "A",
        "sendlink": "A",
    },
    "LoginSessionView": {
        "can_list": EVERYONE,
        "end": EVERYONE,
    },
    "ApiKeyView": {
        "can_list": "AU",
        "can_show": "AU",
        "can_create": "A",
        "revoke": "A",
    },
    "ReminderMailView": {
        "can_list": "AU",
        "retry": "A",
    },
    "RoleView": {
        "can_list": "AU",
        "can_show": "AU",
        "can_add": "A",
        "can_edit": "A",
        "can_delete": "A",
    },
    "ProfileView": {
        "can_this_form_get": EVERYONE,
        "can_this_form_post": EVERYONE,
    },
    "MyPasswordView": {
        "can_this_form_get": EVERYONE,
        "can_this_form_post": EVERYONE,
    },
    "PasswordView": {
        "can_this_form_get": "A",
        "can_this_form_post": "A",
    },
    # API
    "LeadApi": {
        "can_get": "AMKI",
    },
    "HitApi": {
        "can_get": "AMKI",
    },
    "OutcomeApi": {
        "can_post": "AI",
    },
    "OutreachApi": {
        "can_post": "AI",
    },
    "FactApi": {
        "can_post": "AI",
    },
    "ApiDescription": {
        "can_get": "AMUI",
    },
    "ApiDocsView": {
        "can_list": "AMU",
    },
}


#: areas of the menu that only these roles have; others reach single screens of them by links
AREAS = {"Setup": "AMU", "Settings": "AMU"}


def granted(role: str, menu: Mapping[str, Iterable[str]]) -> set[tuple[str, str]]:
    """Return the (permission, view or menu name) pairs of a role. ``menu`` maps areas to view names."""
    letter = next(key for key, name in ROLES.items() if name == role)
    pairs = {
        (permission, view)
        for view, permissions in TABLE.items()
        for permission, letters in permissions.items()
        if letter in letters
    }
    for area, views in menu.items():
        if letter not in AREAS.get(area, letter):
            continue
        if visible := [view for view in views if ("can_list", view) in pairs]:
            pairs |= {("menu_access", name) for name in (area, *visible)}
    return pairs


def menu_names(appbuilder: Any) -> dict[str, list[str]]:
    """Return the view names in each area of the registered menu."""
    return {area.name: [item.name for item in area.childs] for area in appbuilder.menu.get_list()}


def may(role: str, permission: str, view: str) -> bool:
    """Return whether the table gives a role this permission on a view."""
    return (permission, view) in granted(role, {})
