"""Every page, in both languages and widths: nothing from outside, no error, accessible, nothing cut off."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask

from app import permissions
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import DESK, PHONE, Window
from tests.thorough import is_long, thorough

AXE = Axe()
EVERYTHING: dict[str, Any] = {"resultTypes": ["violations"]}
#: colours are the same at every width, and computing contrasts takes longest
WITHOUT_CONTRAST = EVERYTHING | {"rules": {"color-contrast": {"enabled": False}}}
CONTRAST: dict[str, Any] = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
#: what axe checks at each width
AT = {DESK: EVERYTHING, PHONE: WITHOUT_CONTRAST}
#: view → the row of the world that is opened
ROWS = {
    "LeadView": "lead_home",
    "SegmentView": "segment",
    "TagView": "tag",
    "FactView": "fact",
    "ProductView": "product",
    "OutcomeView": "outcome",
    "SuppressionView": "suppression",
    "ExportJobView": "my_export",
    "BulkJobView": "bulk",
    "SubjectRequestView": "lead_home",
    "BranchView": "home",
    "ImportBatchView": "batch",
    "RuleView": "rule",
    "RuleVersionView": "draft",
    "BacktestView": "backtest",
    "ScheduleView": "schedule",
    "ScheduleVersionView": "free_schedule_version",
    "JourneyView": "journey",
    "JourneyVersionView": "journey_draft",
    "JourneySimulationView": "simulation",
    "StrategyTableView": "strategy_table",
    "StrategyRowView": "strategy_row_1",
    "EnrolmentView": "enrolment_home",
    "HolidayView": "holiday",
    "PushView": "push",
    "DeliveryView": "dead_delivery",
    "TargetView": "target",
    "CustomerView": "lead_home",
    "HitView": "hit_home_waiting",
    "OutreachBatchView": "outreach_checked",
    "OutreachView": "contact",
    "OutreachTemplateView": "template",
    "ForbiddenWordView": "word",
    "OutreachSettingView": "setting",
    "OutreachGatewayView": "gateway",
    "CloseReasonView": "close_reason",
    "ContactResultView": "result",
    "InstitutionView": "institution",
    "ApprovalView": "approval",
    "IngestFileView": "ingest",
    "JobRunView": "held",
    "ChangeLogView": "entry",
    "AuditJobView": "my_audit",
    "SavedViewView": "my_view",
    "WeeklyReportView": "report",
    "StaffView": "staff",
    "RoleView": "role",
    "ApiKeyView": "key",
}
#: permission → where its page is below the view's route
PLACES = {
    "can_list": "/list/",
    "can_show": "/show/{row}",
    "can_add": "/add",
    "can_edit": "/edit/{row}",
    "can_upload": "/upload",
    "can_start": "/start",
    "can_create": "/create",
    "can_settings": "/settings/{row}",
    "can_make": "/make",
    "can_timing": "/timing",
    "can_userinfo": "/userinfo/",
    "can_export_all": "/export_all?_flt_1_status=active",
    "can_bulk": "/bulk?_flt_1_status=active",
    "can_take_off": "/take_off/{row}",
    "can_correct": "/correct/{row}",
    "can_switch": "/switch/{row}",
    "can_submit": "/submit/{row}",
    "can_backtest": "/backtest/{row}",
    "can_simulate": "/simulate/{row}",
    "can_pause": "/pause/{row}",
    "can_stop": "/stop",
    "can_approve": "/approve/{row}",
    "can_reject": "/reject/{row}",
    "can_find": "/find",
    "can_export_log": "/export_log?_flt_1_kind=insert",
    "can_verify": "/verify",
    "can_held": "/held/{row}",
    "can_erase": "/erase/{row}",
    "can_compare": "/compare/{row}",
    "can_test": "/test/{row}",
    "can_confirm": "/confirm/{row}",
    "can_change": "/change",
    "can_contact_many": "/contact_many/sms?_flt_1_grade=B",
    "can_contact_one": "/contact_one/{row}/sms",
    "can_assign_all": "/assign_all?_flt_0_state=open",
    "can_this_form_get": "/form?pk={staff}",
}
#: permissions whose answers are not pages
NO_PAGE = {
    "can_search",
    "can_export",
    "can_export_clear",  # a page only where a setting allows it
    "can_delete",
    "can_work",
    "can_allow_call",
    "can_test_sms",
    "can_secret",
    "can_progress",
    "can_errors",
    "can_steps",
    "can_template",
    "can_rejects",
    "can_reveal",
    "can_count",
    "can_preview",
    "can_fetch",
    "can_file",
    "can_this_form_post",
    "can_get",
    "can_post",
    "can_unread",
    "can_read_all",
    "can_info",
}
#: pages in states that look different
STATES = (
    "/guideview/list/?q=A",
    "/guideview/show/marketer",
    "/leadview/list/?_flt_1_status=active&_flt_0_name=x&_oc_LeadView=name&_od_LeadView=desc",
    "/leadview/list/?_flt_0_opted_out=0",
    "/ruleversionview/show/{version}",
    "/backtestview/show/{running_backtest}",
    "/journeysimulationview/show/{running_simulation}",
    "/jobrunview/show/{run}",
    "/importbatchview/show/{prepared}",
    "/importbatchview/columns/{prepared}",
    "/importbatchview/review/{checked}",
    "/hitview/show/{hit_home_failed}",
    "/leadview/timeline/{lead_home}",
    "/leadview/timeline/{lead_home}?known_on=2026-11-01",
    "/outreachbatchview/show/{outreach_running}",
    "/hitview/show/{hit_home_in_progress}",
    "/myworkview/list/?show=unclaimed",
    "/targetview/create?kind=reminder",
    "/deliveryview/show/{delivery}",
    "/workspaceview/list/?grade=D",
    "/effectview/list/?by=hour&first=2026-10-01&last=2026-10-31",
    "/weeklyreportview/show/{open_report}",
)


def pages(app: Flask, world: World) -> list[str]:
    """Return the address of every page in app/permissions.py."""
    staff = world.ids["staff"]
    routes = {type(view).__name__: view.route_base for view in app.appbuilder.baseviews}  # type: ignore[attr-defined]
    pairs = [(view, name) for view, names in permissions.TABLE.items() for name in names]
    pairs = [(view, name) for view, name in pairs if name.startswith("can_") and name not in NO_PAGE]
    pairs.remove(("WorkSettingView", "can_edit"))  # its form stands on the page that shows what is set
    unknown = {name for _view, name in pairs} - set(PLACES)
    assert not unknown, f"say in PLACES where the pages are, or in NO_PAGE that there are none: {unknown}"
    addresses = [
        routes[view] + PLACES[name].format(row=world.ids[ROWS[view]] if view in ROWS else "", staff=staff)
        for view, name in pairs
    ]
    return addresses + [state.format(**world.ids) for state in STATES]


@thorough
@pytest.mark.parametrize(("language", "turn"), [("zh", 0), ("en", 1)])
def test_every_page_is_sound(app: Flask, world: World, visit: Visit, language: str, turn: int) -> None:
    """Open every other page, each in one of four ways by turns; the long run opens all in all, and dark."""
    window = visit("Admin", language=language)
    opened = pages(app, world) if is_long() else pages(app, world)[turn::4]
    for place, path in enumerate(opened):
        widths = (DESK, PHONE) if place % 2 else (PHONE, DESK)
        window.resize(widths[0])
        window.open(path)
        check(window, language, axe=AT[widths[0]])
        if is_long():
            window.resize(widths[1])
            check(window, language, axe=AT[widths[1]])
            window.page.emulate_media(color_scheme="dark")
            check(window, language, axe=CONTRAST)
            window.page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pages_without_permission_are_sound(world: World, visit: Visit, language: str) -> None:
    outside, marketer = visit("", language=language), visit("Marketer", language=language)
    outside.open(f"/lang/{language}")
    outside.open("/password/choose")
    check(outside, language)
    outside.open("/login/")
    marketer.open("/users/list/", status=403)
    for window in (outside, marketer):
        check(window, language)
        window.resize(PHONE)
        check(window, language)
    marketer.open("/nothing-here", status=404)
    check(marketer, language)
    marketer.open(f"/leadview/show/{world.ids['lead_away']}", status=404)
    check(marketer, language)


def check(window: Window, language: str, axe: Any = EVERYTHING) -> None:
    """Record what is wrong with the page shown as faults of its window."""
    # Wait for the parts of the page that are loaded later.
    window.page.locator("[data-figures][aria-busy=true]").wait_for(state="detached")
    facts = window.page.evaluate(
        """() => ({
            language: document.documentElement.lang,
            title: document.title.trim(),
            headings: document.querySelectorAll("h1").length,
            heading: document.querySelector("h1")?.textContent.trim() ?? "",
            width: window.innerWidth,
        })"""
    )
    faults = [
        *_wrong(facts, language),
        *_cut_off(window),
        *_untold(window),
        *(_inaccessible(window, axe) if axe else ()),
    ]
    window.faults += [f"{window.page.url} ({facts['width']} px): {fault}" for fault in faults]


def _wrong(facts: dict[str, Any], language: str) -> list[str]:
    checks = {
        f"language {facts['language']}": facts["language"] == {"zh": "zh-CN", "en": "en"}[language],
        f"title “{facts['title']}”": facts["title"].split("·")[0].strip() != "",
        f"{facts['headings']} first headings": facts["headings"] == 1,
        "empty heading": facts["heading"] != "",
    }
    return [text for text, is_right in checks.items() if not is_right]


def _cut_off(window: Window) -> list[str]:
    beyond = window.page.evaluate(
        """() => new Promise((resolve) => {
            const root = document.documentElement, until = performance.now() + 2000;
            const look = () => {
                const beyond = root.scrollWidth - root.clientWidth;
                // A chart follows a resized window a moment later.
                beyond <= 0 || performance.now() > until ? resolve(beyond) : requestAnimationFrame(look);
            };
            look();
        })"""
    )
    return [f"{beyond} px wider than the window"] if beyond > 0 else []


def _untold(window: Window) -> list[str]:
    """Return the texts that are cut off and not told on hover, and the choices cut off."""
    cut: list[str] = window.page.evaluate(
        """() => {
            const hides = (each) => ["hidden", "clip"].includes(getComputedStyle(each).overflowX);
            const told = (each) => {
                each.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
                return each.closest("[title], .sr") || each.querySelector("[title]");
            };
            const beyond = (each) => each.clientWidth > 1 && each.scrollWidth > each.clientWidth + 1;
            const texts = [...document.querySelectorAll("main *, .top *")].filter((each) =>
                !each.matches("input, select, textarea, canvas, svg *")
                && beyond(each) && hides(each) && !told(each));
            const pen = document.createElement("canvas").getContext("2d"), arrow = 16;
            const chosen = (each) => each.selectedOptions[0]?.text.trim() ?? "";
            const room = (each, style) =>
                each.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - arrow;
            const narrow = (each) => {
                const style = getComputedStyle(each);
                pen.font = style.font;
                return each.clientWidth && pen.measureText(chosen(each)).width > room(each, style) + 1;
            };
            const choices = [...document.querySelectorAll("main select:not([multiple])")].filter(narrow);
            return [
                ...texts.map((each) => `${each.tagName}.${each.className}: ${each.textContent.trim()}`),
                ...choices.map((each) => `${each.name}: ${chosen(each)}`),
            ];
        }"""
    )
    return [f"cut off: {each[:90]}" for each in cut]


def _inaccessible(window: Window, options: Any) -> list[str]:
    if not window.page.evaluate("'axe' in window"):
        window.page.evaluate(AXE.axe_script)
    result = window.page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"axe {each['id']}: {[node['html'][:160] for node in each['nodes'][:3]]}"
        for each in result["violations"]
        if each["impact"] in ("serious", "critical")
    ]
