"""The schedule editor: a manager paints a week, previews, saves and submits it; another one approves it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import ScheduleVersion
from tests.browser.conftest import Visit
from tests.browser.window import PHONE, WIDTHS, Window

NEW, SAVE = "/scheduleview/add", "/scheduleview/save"


def cell(page: Page, row: int, hour: int) -> Locator:
    return page.locator(f".week .cell[data-row='{row}'][data-column='{hour}']")


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    cell(page, *start).hover()
    page.mouse.down()
    cell(page, *end).hover()
    page.mouse.up()


def row(page: Page, number: int) -> str:
    return "".join(page.locator(f".week .cell[data-row='{number}']").all_text_contents())


def preview_on(window: Window, date: str) -> Page:
    window.page.get_by_label("预览日期").fill(date)
    return window.page


def stored(session: Session) -> dict[str, str]:
    session.expire_all()
    query = select(ScheduleVersion).order_by(ScheduleVersion.id.desc()).limit(1)
    version = session.scalars(query).one()
    return {**version.spec, "status": version.status}


def test_a_week_is_painted_saved_submitted_and_approved(visit: Visit, session: Session) -> None:
    window, second = visit("Manager"), visit("Manager")
    page = window.page
    window.refusals.add(window.base + SAVE)
    window.open(NEW)
    preview_on(window, "2026-11-24")
    expect(page.locator("[data-part=expected]")).to_contain_text("预计 1 次")

    page.get_by_text("自定义", exact=True).click()
    page.get_by_label("默认间隔").fill("60")
    page.get_by_label("不推送时间").uncheck()
    expect(page.locator("[data-part=expected]")).to_contain_text("预计 24 次")
    drag(page, (0, 0), (6, 8))
    expect(page.locator("[data-part=expected]")).to_contain_text("预计 15 次")
    page.locator("label.brush", has_text="低频").click()
    page.get_by_role("button", name="每天 23 点").click()
    assert row(page, 0) == "静" * 9 + "高" * 14 + "低"
    page.get_by_role("button", name="撤销").click()
    assert row(page, 0) == "静" * 9 + "高" * 15
    expect(page.locator("[data-part=sentence]")).to_contain_text("每天：0–9 静默、9–24 高频")
    expect(page.locator(".stream .push").first).to_contain_text("00:00–08:00静默 9 次")
    page.get_by_text("展开每一次").click()
    expect(page.locator(".push-run p")).to_contain_text("07:00 · 08:00")

    page.get_by_role("button", name="添加渠道").click()
    page.get_by_role("button", name="立即发送测试推送").click()
    window.dialog.get_by_role("button", name="立即发送测试推送").click()
    expect(window.dialog.locator(".tag-try-ok, .tag-try-bad, .note")).to_have_count(1)
    window.dialog.get_by_role("button", name="返回").click()
    page.locator("[data-channel] [data-remove]").click()

    page.get_by_role("button", name="保存草稿").click()
    expect(page.locator("[data-place=code] .error")).to_have_text("此项必填。")
    expect(page.locator("[data-place=rules] .error")).to_have_text("请至少选择一项。")
    expect(page.get_by_label("编码")).to_be_focused()
    page.locator("#f-code").fill("S-WEEK")
    page.locator("#f-name").fill("浏览器方案")
    page.get_by_label("查找指标").fill("R-1")
    page.get_by_label(re.compile("R-1$")).check()
    expect(page.locator("[data-state]")).to_have_text("有未保存的修改")
    page.get_by_role("button", name="保存草稿").click()
    expect(page.locator("[data-state]")).to_have_text("已保存")
    assert stored(session)["grid"]["sun"] == "S" * 9 + "H" * 15
    page.get_by_role("button", name="提交审批").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("提交 浏览器方案 v1 审批")
    page.get_by_label(re.compile("原因|理由")).fill("工作日试点")
    page.get_by_role("button", name="提交审批").click()
    expect(page.locator(".toast-good")).to_be_visible()

    second.open(page.url.removeprefix(window.base))
    second.page.get_by_role("link", name="批准").click()
    second.page.get_by_role("button", name="批准").click()
    expect(second.page.locator(".toast-good")).to_be_visible()
    assert stored(session)["status"] == "active"
    second.open("/scheduleview/list/")
    expect(second.row("S-WEEK")).to_contain_text("生效中")


@WIDTHS
def test_the_week_is_painted_by_keyboard(visit: Visit, width: int) -> None:
    window = visit("Manager", width=width)
    page, keys = window.page, window.page.keyboard
    window.open(NEW)
    cell(page, 0, 0).focus()
    keys.press("Shift+ArrowDown")
    for _hour in range(3):
        keys.press("Shift+ArrowRight")
    expect(page.locator(".week .chosen")).to_have_count(8)
    keys.press("m")
    keys.press("Escape")
    assert (row(page, 0), row(page, 1), row(page, 2)) == (*["中" * 4 + "高" * 20] * 2, "高" * 24)
    expect(page.locator("[data-said]")).to_have_text("已将 8 格设为中频")
    keys.press("End")
    keys.press("Space")
    assert row(page, 1) == "中" * 4 + "高" * 19 + "静", "Space paints the chosen level, silent at first"
    keys.press("Home")
    keys.press("ArrowLeft")
    expect(page.get_by_role("button", name="周二", exact=True)).to_be_focused()
    keys.press("Enter")
    assert row(page, 1) == "静" * 24
    keys.press("Control+z")
    assert row(page, 1) == "中" * 4 + "高" * 19 + "静"
    page.get_by_label("复制", exact=True).select_option("mon")
    page.get_by_label("复制到").select_option("周六和周日")
    page.get_by_role("button", name="复制这一天").press("Enter")
    assert row(page, 6) == "中" * 4 + "高" * 20
    page.get_by_label("整周设为").select_option("夜间静默")
    assert row(page, 3) == "静" * 8 + "高" * 13 + "静" * 3
    page.get_by_role("button", name="重置").press("Enter")
    window.dialog.get_by_role("button", name="放弃").click()
    expect(cell(page, 3, 0)).to_have_text("高")
    assert row(page, 3) == "高" * 24


def test_the_week_is_painted_by_finger(visit: Visit) -> None:
    """Moving a finger over cells paints them instead of scrolling the page."""
    window = visit("Manager", width=PHONE)
    page = window.page
    window.open(NEW)
    cell(page, 0, 0).scroll_into_view_if_needed()
    page.evaluate("window.scrollBy(0, 200)")
    before = page.evaluate("window.scrollY")
    start, end = (cell(page, *place).bounding_box() for place in ((0, 2), (2, 4)))
    assert start
    assert end
    finger = window.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        finger.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in places]}
        )

    here, there = ((box["x"] + 8, box["y"] + 8) for box in (start, end))
    touch("touchStart", here)
    touch("touchMove", ((here[0] + there[0]) / 2, (here[1] + there[1]) / 2))
    touch("touchMove", there)
    touch("touchEnd")
    assert [row(page, number) for number in range(4)] == [*["高高静静静" + "高" * 19] * 3, "高" * 24]
    assert page.evaluate("window.scrollY") == before


def test_a_timing_is_saved_and_used_again(visit: Visit) -> None:
    window = visit("Manager", language="en")
    page = window.page
    window.open(NEW)
    page.get_by_label("Whole week", exact=True).select_option("Silent at night")
    page.get_by_role("button", name="Save this timing…").click()
    window.dialog.get_by_label("Name").fill("Calm")
    window.dialog.get_by_role("button", name="Save").click()
    saved = page.get_by_role("button", name="Calm", exact=True)
    expect(saved).to_be_visible()
    page.get_by_role("button", name="Reset").click()
    window.dialog.get_by_role("button", name="Discard").click()
    expect(cell(page, 0, 0)).to_have_text("H")
    page.locator("#f-name").fill("Mine")
    saved.click()
    assert row(page, 0) == "S" * 8 + "H" * 13 + "SSS"
    expect(page.locator("#f-name")).to_have_value("Mine")
    page.get_by_role("button", name="Remove “Calm”").click()
    expect(saved).to_have_count(0)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("link", name="Leave").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Schedules")


def test_an_auditor_sees_the_week_and_its_preview(visit: Visit) -> None:
    window = visit("Auditor")
    window.open("/scheduleview/list/")
    window.row("S-1").get_by_role("link", name=re.compile("^S-1")).click()
    preview_on(window, "2026-11-24")
    expect(window.page.locator("[data-part=expected]")).to_contain_text("预计 1 次")
    expect(window.page.locator(".stream .push")).to_have_text(re.compile("09:00.*发送.*按时"))
    expect(window.page.get_by_role("button", name="周一", exact=True)).to_have_count(0)
