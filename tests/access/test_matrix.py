"""Every role × view × action: what happens, and that nothing changes where it must not."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.journeys import drafts
from app.journeys.definition import JourneyDef
from app.models import RuleVersion
from app.permissions import ROLES, TABLE, may
from tests import clock
from tests.access.push_world import reminder_for
from tests.access.world import World, build, fingerprint, hit, journey_of, lead
from tests.conftest import PASSWORD, Person
from tests.database import empty

NEW_PASSWORD = "Another-Pass-word-2027"


class Attempt(NamedTuple):
    """One thing somebody tries. ``changes``: whether it changes the database when it is allowed."""

    method: str
    path: str
    data: dict[str, Any] | None = None
    changes: bool = True


def get(path: str) -> Attempt:
    return Attempt("GET", path, changes=False)


def post(path: str, changes: bool = True, **data: Any) -> Attempt:
    return Attempt("POST", path, data, changes)


def act(view: str, name: str, row: str, *, changes: bool = True, many: bool = False) -> Attempt:
    if many:
        return post(f"/{view}/action_post", changes, action=name, rowid=[f"{{{row}}}"])
    return post(f"/{view}/action/{name}/{{{row}}}", changes)


def crud(
    view: str, row: str, add: dict[str, Any], edit: dict[str, Any], free: str = ""
) -> dict[str, Attempt]:
    return {
        "can_list": get(f"/{view}/list/"),
        "can_show": get(f"/{view}/show/{{{row}}}"),
        "can_add": post(f"/{view}/add", **add),
        "can_edit": post(f"/{view}/edit/{{{row}}}", **edit),
        "can_delete": post(f"/{view}/delete/{{{free or row}}}"),
    }


def typed(**values: Any) -> str:
    """A rule as the editor posts it, its braces doubled for ``attempt``."""
    condition = {"metric": "calls", "op": ">=", "value": 2, "window_days": 3}
    rule = {"code": "R-9", "name": "九", "conditions": [condition], **values}
    return json.dumps(rule, ensure_ascii=False).replace("{", "{{").replace("}", "}}")


def typed_journey(code: str) -> str:
    """A journey as the editor posts it, its braces doubled."""
    steps = [{"id": "end", "do": "end"}]
    journey = {"code": code, "name": "九", "trigger": {"on": "hit"}, "steps": steps}
    return json.dumps(journey, ensure_ascii=False).replace("{", "{{").replace("}", "}}")


#: The draft of the world's journey, as the editor saw it.
SEEN = drafts.digest_of(
    JourneyDef.model_validate(journey_of("J-1", "active", "draft", "draft").versions[1].spec)
)
#: A new schedule as its editor posts it (doubled braces: the world's names go into single ones).
SCHEDULE = '{{"code": "S-9", "name": "九", "rules": ["R-1"], "preset": "hourly"}}'
#: The whole form of outreach rules, with one change.
SETTING = {
    **dict.fromkeys(("sms_cap", "call_cap", "total_cap"), 5),
    **dict.fromkeys(("sms_days", "call_days", "total_days"), 7),
    "open_from": "09:00",
    "open_to": "20:00",
    "wait_days": 1,
    "conversion_days": 30,
    "approval_above": 10,
    "cost_sms": 0.05,
    "cost_call": 0.6,
    "opt_out_sentence": "拒收请回复R",
    "reason": "试一试",
}
#: The whole form of a gateway.
GATEWAY = {
    "name": "网关",
    "url": "https://sms.example.com/send",
    "request": '{{"key": "{{key}}", "to": "{{phone}}", "text": "{{text}}"}}',
    "status_request": '{{"key": "{{key}}"}}',
    "result": "/code",
    "accepted": "0",
    "seconds": 10,
    "per_second": 20,
    "secret": "a-secret-of-some-length",
}
#: What to try for each permission; ``{name}`` is the id of that row of the world.
ATTEMPTS: dict[str, dict[str, Attempt]] = {
    "LeadView": {
        **crud(
            "leadview",
            "lead_home",
            {"name": "新客", "phone": "13911112222", "id_number": "310101199709060963", "status": "active"},
            {"name": "改名", "status": "active"},
        ),
        "can_reveal": post("/leadview/reveal/{lead_home}", reason="客户要求回电"),
        "can_export_all": post("/leadview/export_all?_flt_1_status=active", format="csv"),
        "can_bulk": post("/leadview/bulk?_flt_1_status=active", kind="tag", tag="{free_tag}"),
        "can_export_clear": post("/leadview/export_clear", format="csv", reason="r"),
        "export": act("leadview", "export", "lead_home", changes=False, many=True),
        "delete_many": act("leadview", "delete_many", "lead_home", many=True),
        "tag": post("/leadview/action_post", action="tag", rowid=["{lead_home}"], choice_tag="{free_tag}"),
        "untag": post("/leadview/action_post", action="untag", rowid=["{lead_home}"], choice_untag="{tag}"),
    },
    "SegmentView": {
        **crud(
            "segmentview",
            "segment",
            {"name": "新", "opted_out": "no", "activity_metric": "calls"},
            {"name": "改", "hit_days": 7, "opted_out": "", "activity_metric": "calls"},
        ),
        "can_count": post("/segmentview/count", changes=False, opted_out="yes", activity_metric="calls"),
    },
    "MatrixView": {"can_list": get("/matrixview/list/")},
    "RfmView": {"can_list": get("/rfmview/list/")},
    "TagView": crud("tagview", "tag", {"name": "新", "colour": "red"}, {"name": "改", "colour": "grey"}),
    "FactView": {
        **crud(
            "factview",
            "fact",
            {
                "code": "age",
                "name": "年龄",
                "kind": "number",
                "purpose": "service",
                "keep_days": 100,
                "round_to": 1,
            },
            {"name": "资产", "purpose": "risk", "keep_days": 100, "round_to": 1},
        ),
        "can_upload": get("/factview/upload"),
        "can_template": get("/factview/template"),
    },
    "OutcomeView": {
        "can_list": get("/outcomeview/list/"),
        "can_show": get("/outcomeview/show/{outcome}"),
        "can_upload": get("/outcomeview/upload"),
        "can_template": get("/outcomeview/template"),
    },
    "ProductView": crud(
        "productview",
        "free_product",
        {"code": "CARD", "name": "信用卡", "line": "card", "margin_rate": "0.1"},
        {"name": "贷", "line": "loan", "margin_rate": "0.02"},
    ),
    "SuppressionView": {
        "can_list": get("/suppressionview/list/"),
        "can_show": get("/suppressionview/show/{suppression}"),
        "can_add": post("/suppressionview/add", phone="13911112222", reason="投诉"),
        "can_upload": post("/suppressionview/upload", file="STOP", reason="投诉"),
        "can_template": get("/suppressionview/template"),
        "can_take_off": post("/suppressionview/take_off/{suppression}", reason="同意"),
        "remove_entry": act("suppressionview", "remove_entry", "suppression", changes=False),
    },
    "BranchView": {
        **crud("branchview", "free_branch", {"code": "NEW", "name": "新"}, {"code": "FREE", "name": "改名"}),
        "can_show": get("/branchview/show/{home}"),
    },
    "ImportBatchView": {
        "can_list": get("/importbatchview/list/"),
        "can_show": get("/importbatchview/show/{batch}"),
        "can_progress": get("/importbatchview/progress/{batch}"),
        "can_upload": post("/importbatchview/upload", file="FILE"),
        "can_errors": Attempt("GET", "/importbatchview/errors/{batch}", None, False),
        "can_template": get("/importbatchview/template"),
        "cancel": act("importbatchview", "cancel", "prepared"),
        "begin_again": act("importbatchview", "begin_again", "given_up"),
        "undo": act("importbatchview", "undo", "batch"),
    },
    "RuleView": {
        "can_list": get("/ruleview/list/"),
        "can_show": get("/ruleview/show/{rule}"),
        "can_add": post("/ruleview/add", rule=typed()),
        "can_delete": post("/ruleview/delete/{free_rule}"),
        "draft": act("ruleview", "draft", "rule", changes=False),
        "pause": act("ruleview", "pause", "rule"),
        "resume": act("ruleview", "resume", "rule", changes=False),
        "retire": act("ruleview", "retire", "rule"),
    },
    "RuleVersionView": {
        "can_list": get("/ruleversionview/list/"),
        "can_show": get("/ruleversionview/show/{version}"),
        "can_edit": post("/ruleversionview/edit/{draft}", revision=1, rule=typed(code="R-1", name="改")),
        "can_delete": post("/ruleversionview/delete/{draft}"),
        "can_submit": post("/ruleversionview/submit/{draft}", reason="试一试"),
        "can_backtest": post(
            "/ruleversionview/backtest/{version}",
            changes=False,  # there is no call log to try it on
            first="2026-10-01",
            last="2026-10-02",
            days_after=7,
            condition=0,
        ),
    },
    "ApprovalView": {
        "can_list": get("/approvalview/list/"),
        "can_show": get("/approvalview/show/{approval}"),
        "can_approve": post("/approvalview/approve/{approval}", note=""),
        "can_reject": post("/approvalview/reject/{other_approval}", note="门槛太低"),
        "withdraw": act("approvalview", "withdraw", "approval", changes=False),
    },
    "BacktestView": {
        "can_list": get("/backtestview/list/"),
        "can_show": get("/backtestview/show/{backtest}"),
        "can_progress": get("/backtestview/progress/{backtest}"),
        "cancel": act("backtestview", "cancel", "running_backtest"),
    },
    "ScheduleView": {
        "can_list": get("/scheduleview/list/"),
        "can_show": get("/scheduleview/show/{schedule}"),
        "can_add": get("/scheduleview/add"),
        "can_edit": post("/scheduleview/save", definition=SCHEDULE),
        "can_delete": post("/scheduleview/delete/{free_schedule}"),
        "can_preview": post("/scheduleview/preview", changes=False, definition=SCHEDULE, date="2026-10-26"),
        "can_test": post("/scheduleview/test/{schedule}", changes=False),
        "pause": act("scheduleview", "pause", "schedule"),
        "resume": act("scheduleview", "resume", "schedule", changes=False),
        "retire": act("scheduleview", "retire", "schedule"),
    },
    "ScheduleVersionView": {
        "can_list": get("/scheduleversionview/list/"),
        "can_show": get("/scheduleversionview/show/{schedule_version}"),
        "can_delete": post("/scheduleversionview/delete/{free_schedule_version}"),
        "can_submit": post("/scheduleversionview/submit/{free_schedule_version}", reason="试点"),
        "can_compare": get("/scheduleversionview/compare/{schedule_version}"),
    },
    "JourneyView": {
        "can_list": get("/journeyview/list/"),
        "can_show": get("/journeyview/show/{journey}"),
        "can_add": post("/journeyview/add", journey=typed_journey("J-9")),
        "draft": act("journeyview", "draft", "journey", changes=False),
        "can_delete": post("/journeyview/delete/{free_journey}"),
        "can_pause": post("/journeyview/pause/{journey}", reason="投诉"),
        "can_stop": post("/journeyview/stop", reason="投诉"),
    },
    "JourneySimulationView": {
        "can_list": get("/journeysimulationview/list/"),
        "can_show": get("/journeysimulationview/show/{simulation}"),
        "can_progress": get("/journeysimulationview/progress/{simulation}"),
        "can_steps": get("/journeysimulationview/steps/{simulation}"),
        "cancel": act("journeysimulationview", "cancel", "running_simulation"),
    },
    "JourneyVersionView": {
        "can_simulate": post(
            "/journeyversionview/simulate/{journey_version}",
            first="2026-10-01",
            last="2026-10-02",
            answers="none",
            calls_a_day="",
            leads="",
        ),
        "can_list": get("/journeyversionview/list/"),
        "can_show": get("/journeyversionview/show/{journey_version}"),
        "can_edit": post("/journeyversionview/edit/{journey_draft}", seen=SEEN, journey=typed_journey("J-1")),
        "can_delete": post("/journeyversionview/delete/{journey_draft}"),
        "can_submit": post("/journeyversionview/submit/{journey_draft}", reason="试点"),
    },
    "StrategyTableView": crud(
        "strategytableview",
        "strategy_table",
        {"name": "新表", "days": "30"},
        {"name": "改表", "days": "7"},
        free="free_strategy_table",
    ),
    "StrategyRowView": {
        "can_list": get("/strategyrowview/list/"),
        "can_add": post("/strategyrowview/add", table="{strategy_table}", template="", hand_to="owner"),
        "can_edit": post("/strategyrowview/edit/{strategy_row_1}", template="", hand_to="branch", place="1"),
        "can_delete": post("/strategyrowview/delete/{strategy_row_1}"),
        "up": act("strategyrowview", "up", "strategy_row_2"),
        "down": act("strategyrowview", "down", "strategy_row_1"),
    },
    "EnrolmentView": {
        "can_list": get("/enrolmentview/list/"),
        "can_show": get("/enrolmentview/show/{enrolment_home}"),
    },
    "HolidayView": {
        "can_list": get("/holidayview/list/"),
        "can_add": post("/holidayview/add", date="2027-01-01", kind="holiday", name="元旦"),
        "can_edit": post("/holidayview/edit/{holiday}", date="2026-05-01", kind="workday", name="改"),
        "can_delete": post("/holidayview/delete/{holiday}"),
        "can_upload": post("/holidayview/upload", file="HOLIDAYS"),
        "can_template": get("/holidayview/template"),
    },
    "PushView": {
        "can_list": get("/pushview/list/"),
        "can_show": get("/pushview/show/{push}"),
    },
    "DeliveryView": {
        "can_list": get("/deliveryview/list/"),
        "can_show": get("/deliveryview/show/{delivery}"),
        "retry_now": act("deliveryview", "retry_now", "delivery"),
        "replay": act("deliveryview", "replay", "dead_delivery", many=True),
        "cancel": act("deliveryview", "cancel", "delivery"),
    },
    "DeliveryAttemptView": {"can_list": get("/deliveryattemptview/list/")},
    "TargetView": {
        "can_list": get("/targetview/list/"),
        "can_show": get("/targetview/show/{target}"),
        "can_create": post("/targetview/create?kind=file", code="new", name="新", setting_folder="crm"),
        "can_settings": post("/targetview/settings/{stopped_target}", name="改名", setting_folder="crm"),
        "can_secret": post("/targetview/secret/{target}"),
        "try_out": act("targetview", "try_out", "stopped_target"),
        "stop": act("targetview", "stop", "target"),
        "resume": act("targetview", "resume", "stopped_target"),
    },
    "GuideView": {"can_list": get("/guideview/show/start")},
    "SearchView": {"can_search": post("/searchview/find", changes=False, text="客户")},
    "ReminderView": {
        "can_list": get("/reminderview/list/"),
        "can_unread": get("/reminderview/unread"),
        "can_read_all": post("/reminderview/read_all"),
        "look": act("reminderview", "look", "my_reminder"),
        "read": act("reminderview", "read", "my_reminder", many=True),
    },
    "ReminderChoiceView": {
        "can_this_form_get": get("/reminderchoice/form"),
        "can_this_form_post": post("/reminderchoice/form", hits="at_once", daily_at="08:30"),
    },
    "ReminderMailView": {
        "can_list": get("/remindermailview/list/"),
        "retry": act("remindermailview", "retry", "failed_mail"),
    },
    "CustomerView": {
        "can_list": get("/customerview/list/"),
        "can_show": get("/customerview/show/{lead_home}"),
        "can_export_all": post("/customerview/export_all", format="xlsx"),
        "can_export_clear": post("/customerview/export_clear", format="csv", reason="r"),
        "claim": act("customerview", "claim", "lead_home"),
        "assign": post(
            "/customerview/action_post", action="assign", rowid=["{lead_home}"], choice_assign="{worker}"
        ),
        "can_assign_all": post("/customerview/assign_all?_flt_0_state=open", assignee="{worker}"),
        "give_back": act("customerview", "give_back", "lead_sub"),
        "hand_over": post(
            "/customerview/action_post",
            action="hand_over",
            rowid=["{lead_sub}"],
            choice_hand_over="{worker}",
        ),
        "ask": act("customerview", "ask", "customer_of_worker"),
        "grant": act("customerview", "grant", "lead_sub"),
        "decline": act("customerview", "decline", "lead_sub"),
        "close": post(
            "/customerview/action_post", action="close", rowid=["{lead_home}"], choice_close="{close_reason}"
        ),
        "export": act("customerview", "export", "lead_home", changes=False, many=True),
        "can_contact_many": post(
            "/customerview/contact_many/sms?_flt_0_state=open", template="{template}", name="活动"
        ),
        "can_contact_one": post("/customerview/contact_one/{lead_home}/sms", template="{template}"),
        "can_allow_call": post("/customerview/allow_call/{lead_home}", changes=False, reason="客户约定"),
        "sms": act("customerview", "sms", "lead_home", changes=False, many=True),
        "call": act("customerview", "call", "lead_home", changes=False, many=True),
    },
    "HitView": {
        "can_list": get("/hitview/list/"),
        "can_show": get("/hitview/show/{hit_home_waiting}"),
        "can_export_all": post("/hitview/export_all", format="xlsx"),
        "can_export_clear": post("/hitview/export_clear", format="csv", reason="r"),
        "can_work": post("/hitview/work/{hit_home_in_progress}/close", **{"close-reason": "{close_reason}"}),
        "claim": act("hitview", "claim", "hit_home_waiting"),
        "start": act("hitview", "start", "hit_home_waiting"),
        "follow_up": act("hitview", "follow_up", "hit_home_in_progress", changes=False),
        "assign": post(
            "/hitview/action_post", action="assign", rowid=["{hit_home_waiting}"], choice_assign="{worker}"
        ),
        "close": post(
            "/hitview/action_post",
            action="close",
            rowid=["{hit_home_waiting}"],
            choice_close="{close_reason}",
        ),
        "reopen": act("hitview", "reopen", "hit_home_failed", many=True),
        "recompute": act("hitview", "recompute", "hit_home_waiting", changes=False),
        "export": act("hitview", "export", "hit_home_waiting", changes=False, many=True),
        "can_contact_many": post("/hitview/contact_many/sms?ids={hit_home_waiting}", template="{template}"),
        "can_contact_one": post("/hitview/contact_one/{hit_home_waiting}/sms", template="{template}"),
        "sms": act("hitview", "sms", "hit_home_waiting", changes=False, many=True),
        "call": act("hitview", "call", "hit_home_waiting", changes=False, many=True),
    },
    "OutreachBatchView": {
        "can_list": get("/outreachbatchview/list/"),
        "can_show": get("/outreachbatchview/show/{outreach_checked}"),
        "can_progress": get("/outreachbatchview/progress/{outreach_running}"),
        "can_confirm": post("/outreachbatchview/confirm/{outreach_checked}"),
        "pause": act("outreachbatchview", "pause", "outreach_running"),
        "resume": act("outreachbatchview", "resume", "outreach_paused"),
        "cancel": act("outreachbatchview", "cancel", "outreach_checked"),
    },
    "OutreachView": {
        "can_list": get("/outreachview/list/"),
        "can_show": get("/outreachview/show/{contact}"),
    },
    "OutreachTemplateView": {
        **crud(
            "outreachtemplateview",
            "template",
            {"name": "新模板", "channel": "call", "body": "您好{{surname}}"},
            {"name": "短信模板", "body": "您好{{surname}}", "active": "y"},
            free="unused_template",
        ),
        "can_test_sms": post("/outreachtemplateview/test", False, body="您好"),
    },
    "OutreachTestView": {"can_list": get("/outreachtestview/list/")},
    "ForbiddenWordView": {
        "can_list": get("/forbiddenwordview/list/"),
        "can_add": post("/forbiddenwordview/add", word="稳赚"),
        "can_edit": post("/forbiddenwordview/edit/{word}", word="保本收益"),
        "can_delete": post("/forbiddenwordview/delete/{word}"),
    },
    "SandboxMessageView": {"can_list": get("/sandboxmessageview/list/")},
    "WeeklyReportView": {
        "can_list": get("/weeklyreportview/list/"),
        "can_show": get("/weeklyreportview/show/{report}"),
        "can_progress": get("/weeklyreportview/progress/{report}"),
        "can_fetch": get("/weeklyreportview/html/{report}"),
        "can_make": post("/weeklyreportview/make", week="{last_week}"),
        "can_timing": post("/weeklyreportview/timing", active="y", weekday="2", at="09:15"),
        "send_to_me": act("weeklyreportview", "send_to_me", "report", changes=False),
    },
    "ReportMailView": {
        "can_list": get("/reportmailview/list/"),
        "retry": act("reportmailview", "retry", "report_mail"),
    },
    "OutreachSettingView": {
        "can_list": get("/outreachsettingview/list/"),
        "can_show": get("/outreachsettingview/show/{setting}"),
        "can_change": post("/outreachsettingview/change", **SETTING),
    },
    "OutreachGatewayView": {
        **crud("outreachgatewayview", "gateway", {**GATEWAY, "name": "新", "channel": "sms"}, GATEWAY),
        "can_switch": post("/outreachgatewayview/switch/{gateway}", reason="换供应商"),
        "switch_on": act("outreachgatewayview", "switch_on", "gateway", changes=False),
        "switch_off": act("outreachgatewayview", "switch_off", "gateway_on", changes=False),
    },
    "WorkspaceView": {"can_list": get("/workspaceview/list/")},
    "DataStateView": {"can_list": get("/datastateview/list/")},
    "AuditStateView": {"can_list": get("/auditstateview/list/")},
    "SystemStateView": {"can_list": get("/systemstateview/list/")},
    "MyWorkView": {"can_list": get("/myworkview/list/")},
    "EffectView": {"can_list": get("/effectview/list/"), "can_export": get("/effectview/export?by=grade")},
    "CloseReasonView": crud(
        "closereasonview", "close_reason", {"name": "新", "position": 1}, {"name": "改", "position": 2}
    ),
    "ContactResultView": crud(
        "contactresultview",
        "result",
        {"name": "新", "kind": "next", "next_days": 1, "position": 1},
        {"name": "改", "kind": "call_back", "next_days": 0, "position": 2},
    ),
    "WorkSettingView": {
        "can_list": get("/worksettingview/list/"),
        "can_edit": post("/worksettingview/edit", most_open=9, respond_days=1, overdue_days=1),
    },
    "InstitutionView": crud(
        "institutionview",
        "institution",
        {"code": "I-9", "name": "九", "category": "bank", "region": "华东"},
        {"name": "改名", "category": "", "region": ""},
        free="unused_institution",
    ),
    "IngestFileView": {
        "can_list": get("/ingestfileview/list/"),
        "can_show": get("/ingestfileview/show/{ingest}"),
        "can_rejects": get("/ingestfileview/rejects/{ingest}"),
        "can_correct": get("/ingestfileview/correct/{ingest}"),
        "can_progress": get("/ingestfileview/progress/{ingest}"),
        "evaluate_again": act("ingestfileview", "evaluate_again", "corrected_file"),
    },
    "CompletenessView": {"can_list": get("/completenessview/list/")},
    "JobRunView": {
        "can_list": get("/jobrunview/list/"),
        "can_show": get("/jobrunview/show/{run}"),
        "can_progress": get("/jobrunview/progress/{run}"),
        "can_start": post("/jobrunview/start", day=str(clock.today() - dt.timedelta(days=2))),
        "rerun": act("jobrunview", "rerun", "run"),
        "evaluate_again": act("jobrunview", "evaluate_again", "run"),
        "release": act("jobrunview", "release", "held"),
    },
    "ExportJobView": {
        "can_list": get("/exportjobview/list/"),
        "can_show": get("/exportjobview/show/{my_export}"),
        "can_progress": get("/exportjobview/progress/{my_export}"),
        "can_fetch": get("/exportjobview/fetch/{my_export}"),
    },
    "BulkJobView": {
        "can_list": get("/bulkjobview/list/"),
        "can_show": get("/bulkjobview/show/{bulk}"),
        "can_progress": get("/bulkjobview/progress/{bulk}"),
        "cancel": act("bulkjobview", "cancel", "bulk"),
    },
    "ChangeLogView": {
        "can_list": get("/changelogview/list/"),
        "can_show": get("/changelogview/show/{entry}"),
        "can_export_log": post("/changelogview/export_log?_flt_1_kind=insert"),
    },
    "AuditJobView": {
        "can_list": get("/auditjobview/list/"),
        "can_show": get("/auditjobview/show/{my_audit}"),
        "can_progress": get("/auditjobview/progress/{my_audit}"),
        "can_fetch": get("/auditjobview/fetch/{my_audit}"),
        "can_verify": post("/auditjobview/verify"),
    },
    "SavedViewView": {
        "can_list": get("/savedviewview/list/"),
        "can_edit": post("/savedviewview/edit/{my_view}", name="登录失败"),
        "can_delete": post("/savedviewview/delete/{my_view}"),
    },
    "ContactStatementView": {"can_list": get("/contactstatementview/list/")},
    "RevealView": {"can_list": get("/revealview/list/")},
    "SubjectRequestView": {
        "can_list": get("/subjectrequestview/list/"),
        "can_find": post("/subjectrequestview/find", number="13800000001"),
        "can_held": Attempt("GET", "/subjectrequestview/held/{lead_home}"),
        "can_file": post("/subjectrequestview/file/{lead_home}"),
        "can_erase": post("/subjectrequestview/erase/{lead_home}", lead_no="L1001", reason="客户书面申请"),
    },
    "StaffView": {
        **crud(
            "users",
            "staff",
            {
                "username": "new",
                "last_name": "新",
                "first_name": "人",
                "email": "n@example.com",
                "roles": "1",
                "language": "zh",
                "active": "y",
                "password": NEW_PASSWORD,
                "conf_password": NEW_PASSWORD,
                "access_reason": "入职",
            },
            {
                "last_name": "改",
                "first_name": "名",
                "email": "s@example.com",
                "roles": "1",
                "language": "en",
                "access_reason": "轮岗",
            },
        ),
        "can_userinfo": get("/users/userinfo/"),
        "userinfoedit": act("users", "userinfoedit", "me", changes=False),
        "resetmypassword": act("users", "resetmypassword", "me", changes=False),
        "choosereminders": act("users", "choosereminders", "me", changes=False),
        "endsessions": act("users", "endsessions", "me"),
        "resetpasswords": act("users", "resetpasswords", "staff", changes=False),
        "resetfactor": act("users", "resetfactor", "staff", changes=False),  # has none
        "sendlink": act("users", "sendlink", "staff", changes=False),  # no mail server
    },
    "LoginSessionView": {
        "can_list": get("/loginsessionview/list/"),
        "end": act("loginsessionview", "end", "my_session"),
    },
    "ApiKeyView": {
        "can_list": get("/apikeyview/list/"),
        "can_show": get("/apikeyview/show/{key}"),
        "can_create": post("/apikeyview/create", name="crm-2", branch="", days="30", reason="数据仓库"),
        "revoke": act("apikeyview", "revoke", "key"),
    },
    "RoleView": crud("roles", "role", {"name": "NewRole"}, {"permissions": "1", "access_reason": "需要"}),
    "ProfileView": {
        "can_this_form_get": get("/profile/form"),
        "can_this_form_post": post("/profile/form", language="zh"),
    },
    "MyPasswordView": {
        "can_this_form_get": get("/resetmypassword/form"),
        "can_this_form_post": post(
            "/resetmypassword/form", present=PASSWORD, password=NEW_PASSWORD, conf_password=NEW_PASSWORD
        ),
    },
    "PasswordView": {
        "can_this_form_get": get("/resetpassword/form?pk={staff}"),
        "can_this_form_post": post(
            "/resetpassword/form?pk={staff}", password=NEW_PASSWORD, conf_password=NEW_PASSWORD
        ),
    },
    "LeadApi": {"can_get": get("/api/v1/leads/")},
    "HitApi": {"can_get": get("/api/v1/hits/")},
    "ApiDescription": {"can_get": get("/api/v1/_openapi")},
    "ApiDocsView": {"can_list": get("/apidocsview/list/")},
    "FactApi": {"can_post": post("/api/v1/facts", False, json={"facts": []})},
    "OutcomeApi": {"can_post": post("/api/v1/outcomes", False, json={"outcomes": []})},
    "OutreachApi": {"can_post": post("/api/v1/outreach/results", False, json={"results": []})},
}
CASES = [(view, permission) for view, attempts in ATTEMPTS.items() for permission in attempts]
#: Allowed requests that answer "there is nothing" in this world.
NOTHING_THERE = {
    ("ImportBatchView", "can_errors"),
    ("IngestFileView", "can_rejects"),
    ("ExportJobView", "can_fetch"),
    ("AuditJobView", "can_fetch"),
    ("JourneySimulationView", "can_steps"),
    ("LeadView", "can_export_clear"),  # not there unless a setting allows it
    ("CustomerView", "can_export_clear"),
    ("HitView", "can_export_clear"),
}


def test_the_table_is_tried_whole(app: Flask) -> None:
    """Every permission of the table has an attempt, and every view of the app is in the table."""
    assert {(v, p) for v, permissions in TABLE.items() for p in permissions} == set(CASES)
    free = {"HomeView", "UtilView", "LocaleView", "LogInView", "PasswordLinkView", "SecondFactorView"}
    for view in app.appbuilder.baseviews:  # type: ignore[attr-defined]
        name = type(view).__name__
        if name not in free:
            assert set(view.base_permissions) <= set(TABLE[name]) | {"can_download"}, name


@pytest.fixture
def world_of(
    app: Flask, engine: Engine, session: Session, login: Callable[..., Person]
) -> Callable[[str], tuple[World, Person]]:
    """Empty the database, build the world in it and log in a person of the role (or nobody)."""

    def make(role: str) -> tuple[World, Person]:
        session.rollback()
        session.expunge_all()
        empty(engine)
        world = build(session, app.config["SETTINGS"])
        client = login(role, branch=world.home, username="me") if role else anonymous(app)
        me = session.execute(text("SELECT max(id) FROM ab_user")).scalar_one()
        session.execute(text("UPDATE outreach_batch SET created_by_id = :me"), {"me": me})
        session.commit()
        world.ids["me"] = me
        _own_customers(session, app, world, me)
        session.commit()
        world.ids["my_reminder"] = reminder_for(session, me) if role else 1
        world.ids["my_session"] = session.scalar(text("SELECT coalesce(max(id), 1) FROM login_session"))
        return world, client

    return make


def _own_customers(session: Session, app: Flask, world: World, me: int) -> None:
    """Give one customer to the person, for whom a colleague asks, and another one to the colleague."""
    other = lead(app.config["SETTINGS"], 77, world.home)
    session.add(other)
    session.flush()
    session.add(hit(other, session.get_one(RuleVersion, world.ids["version"]), "waiting"))
    session.flush()
    worker, own = world.ids["worker"], text("UPDATE customer SET owner_id = :owner WHERE id = :id")
    session.execute(own, {"owner": me, "id": world.ids["lead_sub"]})
    session.execute(own, {"owner": worker, "id": other.id})
    asked = text("UPDATE customer SET asked_by_id = :worker, asked_at = now() WHERE id = :id")
    session.execute(asked, {"worker": worker, "id": world.ids["lead_sub"]})
    world.ids["customer_of_worker"] = other.id


class Trial:
    """Attempts of a role, or without a log-in, in one world until something changes it, then in a new one."""

    def __init__(self, role: str, engine: Engine, world_of: Callable[[str], tuple[World, Person]]) -> None:
        self._role, self._engine, self._world_of = role, engine, world_of
        self.wrong: list[str] = []
        self._begin()

    def _begin(self) -> None:
        self._world, self._client = self._world_of(self._role)
        self._before = fingerprint(self._engine)

    def of_view(self, view: str) -> None:
        """Try what may not change anything, forbidden or not, and then each change that is allowed."""
        allowed = {name for name in ATTEMPTS[view] if self._role and may(self._role, name, view)}
        changing = {name for name in allowed if ATTEMPTS[view][name].changes}
        for name in ATTEMPTS[view].keys() - changing:
            self._attempt(view, name, name in allowed)
        if self._has_changed():
            self.wrong.append(f"{view}: something changed that may not")
        for name in changing:
            answer = self._attempt(view, name, allowed=True)
            if not self._has_changed() and (view, name) not in NOTHING_THERE:
                self.wrong.append(f"{view}.{name}: nothing changed: {said(answer.text)}")

    def _has_changed(self) -> bool:
        changed = fingerprint(self._engine) != self._before
        if changed:
            self._begin()
        return changed

    def _attempt(self, view: str, name: str, allowed: bool) -> Any:
        answer = attempt(self._client, ATTEMPTS[view][name], self._world)
        problems = unexpected(answer, (view, name), self._role, allowed)
        self.wrong += [f"{view}.{name}: {each}" for each in problems]
        return answer


@pytest.mark.parametrize("role", [*ROLES.values(), ""])
def test_role(role: str, engine: Engine, world_of: Callable[[str], tuple[World, Person]]) -> None:
    trial = Trial(role, engine, world_of)
    for view in ATTEMPTS:
        trial.of_view(view)
    assert not trial.wrong, "\n".join(trial.wrong)


def unexpected(answer: Any, case: tuple[str, str], role: str, allowed: bool) -> list[str]:
    """Return what is wrong with an answer."""
    status, location = answer.status_code, answer.headers.get("Location", "")
    expected: tuple[int, ...] = (302, 401, 403) if not role else (403,)
    if allowed:
        expected = (404,) if case in NOTHING_THERE else (200, 302)
    sent_away = not role and status == 302
    if status not in expected:
        return [f"answered {status}"]
    return [] if ("/login" in location) is sent_away else [f"sent to {location}"]


def anonymous(app: Flask) -> Person:
    return Person(app, app.response_class, use_cookies=True)


def said(page: str) -> str:
    """The words of a page, for the message of a failed assertion."""
    return " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page, flags=re.S).split())[:600]


def attempt(client: FlaskClient | Person, what: Attempt, world: World) -> Any:
    path = what.path.format(**world.ids)
    if what.method == "GET":
        return client.get(path)
    data: dict[str, Any] = {}
    for key, value in (what.data or {}).items():
        data[key] = [v.format(**world.ids) for v in value] if isinstance(value, list) else value
        if isinstance(value, str):
            data[key] = value.format(**world.ids)
    if data.get("file") == "FILE":
        data["file"] = (io.BytesIO("客户姓名,联系电话,身份证号\n王,13800000000,1\n".encode()), "leads.csv")
    if data.get("file") == "STOP":
        data["file"] = (io.BytesIO("手机号,原因\n13911113333,投诉\n".encode()), "stop.csv")
    if data.get("file") == "HOLIDAYS":
        data["file"] = (io.BytesIO("日期,类型,名称\n2027-01-01,放假,元旦\n".encode()), "2027.csv")
    assert isinstance(client, Person)
    if "json" in data:
        return client.post(path, json=data["json"], headers={"X-CSRFToken": client.token()})
    return client.submit(path, data)
