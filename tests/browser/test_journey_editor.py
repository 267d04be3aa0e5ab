"""The journey editor in the browser: by keyboard alone, problems beside their steps, approval."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Journey, JourneyVersion, OutreachTemplate
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.test_pages import check
from tests.browser.test_rule_life import decide, submit
from tests.browser.window import Window


def lines(window: Window) -> Locator:
    return window.page.locator(".step-open")


def said(window: Window, place: int) -> Locator:
    """What the line of a step says."""
    return lines(window).nth(place).locator(".step-said")


def add(window: Window, place: int, kind: str) -> None:
    """Open the menu of a step and choose a kind, by keyboard."""
    page, keys = window.page, window.page.keyboard
    page.locator(".step-line .kind-menu summary").nth(place).focus()
    keys.press("Enter")
    wanted = page.locator(".step-line").nth(place).get_by_role("button", name=kind, exact=True)
    expect(wanted).to_be_visible()
    while not wanted.evaluate("each => each === document.activeElement"):
        keys.press("Tab")
    keys.press("Enter")


def wait_for_an_answer(window: Window, amount: str, unit: str) -> None:
    """Fill in the wait whose first field has the focus."""
    keys = window.page.keyboard
    keys.press("Control+A")
    keys.type(amount)
    keys.press("Tab")
    keys.press("Tab")
    if unit == "hours":
        keys.press("Shift+Tab")
        keys.press("ArrowUp")
        keys.press("Tab")
    keys.press("ArrowDown")


def test_calling_again_is_made_by_keyboard_and_approved(visit: Visit, world: World, session: Session) -> None:
    window = visit("Manager")
    window.open("/journeyview/add")
    page, keys = window.page, window.page.keyboard
    page.get_by_label("编码").focus()
    keys.press("Control+A")
    keys.type("J-KEYS")
    keys.press("Tab")
    keys.type("未接再呼")
    page.get_by_label("A", exact=True).focus()
    keys.press(" ")
    keys.press("Tab")
    keys.press(" ")
    # From the end, which is all there is, to a call; what is missing stands beside it.
    add(window, 0, "外呼")
    problem = page.locator(".journey-step").first.locator("[data-problem=template]")
    expect(problem).to_have_text("此项必填。")
    keys.press("ArrowDown")
    expect(problem).to_be_hidden()
    expect(said(window, 0)).to_have_text("外呼「外呼模板」 → 2")
    add(window, 0, "等待")
    wait_for_an_answer(window, "4", "hours")
    expect(said(window, 1)).to_have_text("等待回应，最多 4 小时 已回应 → 3 · 届时未回应 → 3")
    # After a wait for an answer it goes on for who did not answer.
    add(window, 1, "外呼")
    keys.press("ArrowDown")
    expect(said(window, 1)).to_have_text("等待回应，最多 4 小时 已回应 → 4 · 届时未回应 → 3")
    add(window, 2, "等待")
    wait_for_an_answer(window, "1", "days")
    add(window, 3, "短信")
    keys.press("ArrowDown")
    expect(page.locator("#meaning")).to_contain_text("(5) 短信「短信模板」 (6) 结束。")
    expect(page.locator(".drawing-sheet .box")).to_have_count(6)
    expect(page.locator(".drawing-sheet .way-label")).to_have_text(
        ["已回应", "届时未回应", "已回应", "届时未回应"]
    )
    keys.press("Enter")
    page.get_by_label("每日短信上限").fill("500")
    page.get_by_label("每名营销人员每日外呼上限").fill("40")
    expect(page.locator("#meaning")).to_contain_text("每日短信至多 500 条、每名营销人员每日外呼至多 40 通")
    page.get_by_role("button", name="保存草稿").focus()
    keys.press("Enter")
    expect(page.locator(".toast-good")).to_contain_text("未接再呼 v1 已保存")
    version = session.scalars(
        select(JourneyVersion).join(JourneyVersion.journey).where(Journey.code == "J-KEYS")
    ).one()
    codes = dict(session.execute(select(OutreachTemplate.channel, OutreachTemplate.code)).tuples().all())
    call: dict[str, Any] = {"do": "contact", "channel": "call", "template": codes["call"]}
    wait: dict[str, Any] = {"do": "wait", "until": "answered", "then": "end"}
    assert version.spec["trigger"] == {"on": "hit", "grades": ["A", "B"]}
    assert version.spec["pacing"] == {"sms": 500, "calls_per_marketer": 40}
    assert version.spec["steps"] == [
        {"id": "call1", **call, "then": "wait1"},
        {"id": "wait1", **wait, "hours": 4, "timeout": "call2"},
        {"id": "call2", **call, "then": "wait2"},
        {"id": "wait2", **wait, "days": 1, "timeout": "sms1"},
        {"id": "sms1", "do": "contact", "channel": "sms", "template": codes["sms"], "then": "end"},
        {"id": "end", "do": "end"},
    ]
    request = submit(window)
    checker = visit("Admin")
    checker.open(request)
    expect(checker.page.locator(".changes")).to_contain_text("等待回应，最多 4 小时")
    decide(checker, request, "批准")
    window.open(f"/journeyview/show/{version.journey_id}")
    expect(page.locator(".facts .tag-version-active")).to_be_visible()
    expect(page.locator(".drawing-sheet .box")).to_have_count(6)
    expect(page.locator("table.stops tbody tr")).to_have_count(6)
    page.get_by_role("button", name="新建草稿").click()
    expect(page.get_by_label("每名营销人员每日外呼上限")).to_have_value("40")


def test_steps_are_moved_removed_and_brought_back(visit: Visit, world: World) -> None:
    window = visit("Manager")
    window.open("/journeyview/add?preset=unread")
    page = window.page
    names = page.locator(".step-open [data-part=kind]")
    expect(names).to_have_text(["短信", "等待", "外呼", "结束"])
    expect(said(window, 0)).to_contain_text("→ 2")
    page.get_by_role("button", name="下移").nth(2).press("Enter")
    expect(names).to_have_text(["短信", "等待", "结束", "外呼"])
    expect(page.get_by_role("button", name="上移").nth(3)).to_be_focused()
    page.get_by_role("button", name="移除").nth(1).press("Enter")
    expect(names).to_have_text(["短信", "结束", "外呼"])
    expect(lines(window).nth(1)).to_be_focused()
    expect(said(window, 0)).to_contain_text("→ 3")
    page.get_by_role("button", name="撤销").press("Enter")
    expect(names).to_have_text(["短信", "等待", "结束", "外呼"])
    expect(said(window, 1)).to_contain_text("届时未回应 → 4")
    # Leaving the page asks first, because a preset is not saved yet.
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="取消").click()
    expect(names).to_have_count(4)
    assert asked == ["beforeunload"]


def test_a_refused_save_loses_nothing_and_leads_to_its_fields(visit: Visit, world: World) -> None:
    window = visit("Manager")
    window.open("/journeyview/add?preset=dormant")
    page, keys = window.page, window.page.keyboard
    page.get_by_label("名称").fill("唤醒")
    # In its branch: a way for whom answered, with a step of its own.
    lines(window).nth(2).press("Enter")
    page.get_by_role("button", name="加一路").press("Enter")
    case = page.locator(".condition").nth(1)
    expect(case.get_by_label("条件内容")).to_be_focused()
    page.get_by_role("button", name="保存草稿").press("Enter")
    window.refusals.add(f"{window.base}/journeyview/add")
    summary = page.locator("#summary")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("第 3 步 · 分路 2: 请填写这一路适用哪些客户。")
    expect(summary).to_contain_text("客户如何进入")
    page.get_by_role("link", name="第 3 步 · 分路 2").press("Enter")
    expect(case.get_by_label("条件内容")).to_be_focused()
    case.get_by_label("条件内容").select_option(label="接听过电话")
    case.get_by_label("天数").fill("7")
    expect(case.locator("[data-case-problem]")).to_be_hidden()
    expect(page.get_by_label("名称")).to_have_value("唤醒")
    page.get_by_label("共享客群").focus()
    keys.press("ArrowDown")
    case.locator(".kind-menu summary").press("Enter")
    case.locator(".kind-menu").get_by_role("button", name="标签").press("Enter")
    expect(page.locator(".step-open [data-part=kind]")).to_have_text(
        ["短信", "等待", "分流", "标签", "外呼", "等待", "短信", "结束"]
    )
    expect(said(window, 2)).to_contain_text("近 7 天接听过电话 → 4")


def test_a_strategy_table_is_chosen_with_its_rows_in_view(
    visit: Visit, world: World, session: Session
) -> None:
    window = visit("Manager")
    window.open("/journeyview/add")
    page, keys = window.page, window.page.keyboard
    page.get_by_label("名称").fill("按表")
    add(window, 0, "决策表")
    expect(page.locator(".step-body [data-field=table]")).to_be_focused()
    expect(page.locator("[data-problem=table]")).to_contain_text("此项必填")
    keys.press("ArrowDown")
    rows = page.locator(".table-rows li")
    expect(rows).to_have_text(["等级 A → 交给客户负责人", "等级 B → 交给客户负责人"])
    expect(said(window, 0)).to_contain_text("按决策表“中文”处理")
    expect(said(window, 0)).to_contain_text("有对应行 → 2 · 没有对应行 → 2")
    expect(page.locator("#meaning")).to_contain_text("按决策表“中文”处理")
    page.locator("[data-way=else] .kind-menu summary").press("Enter")
    page.locator("[data-way=else] .kind-menu").get_by_role("button", name="任务").press("Enter")
    keys.type("回访")
    expect(said(window, 0)).to_contain_text("没有对应行 → 2")
    expect(page.locator(".box-strategy")).to_have_count(1)
    page.get_by_role("button", name="保存草稿").press("Enter")
    page.wait_for_url("**/journeyversionview/show/**")
    (step, *_others) = (
        session.scalars(select(JourneyVersion).order_by(JourneyVersion.id.desc()).limit(1))
        .one()
        .spec["steps"]
    )
    assert step == {"id": "table1", "do": "strategy", "table": "ST-1", "then": "end", "else": "task1"}


@pytest.mark.parametrize(("language", "width"), [("zh", 390), ("en", 1280)])
def test_the_editor_is_sound_while_it_is_used(visit: Visit, world: World, language: str, width: int) -> None:
    window = visit("Admin", language=language, width=width)
    window.open("/journeyview/add?preset=dormant")
    expect(window.page.locator("[data-problem=trigger]")).to_be_visible()
    for place in range(4):
        lines(window).nth(place).click()
    window.page.locator(".step-line .kind-menu summary").first.click()
    check(window, language)


def test_two_people_s_edits_are_told_apart(visit: Visit, world: World, session: Session) -> None:
    path = f"/journeyversionview/edit/{world.ids['journey_draft']}"
    first, second = visit("Manager"), visit("Admin")
    for window, days in ((first, "5"), (second, "6")):
        window.open(path)
        lines(window).first.press("Enter")
        window.page.get_by_label("时长").fill(days)
    first.page.get_by_role("button", name="保存草稿").click()
    expect(first.page.locator(".toast-good")).to_be_visible()
    second.refusals.add(second.base + path)
    second.page.get_by_role("button", name="保存草稿").click()
    panel = second.page.locator("#merge")
    expect(panel).to_be_focused()
    expect(panel.get_by_role("row", name="第 1 步")).to_contain_text(
        "等待 5 天；之后 → 第 2 步（结束）等待 6 天"
    )
    check(second, "zh")
    panel.get_by_role("button", name="保留我的").click()
    second.page.get_by_role("button", name="保存草稿").click()
    expect(second.page.locator(".toast-good")).to_be_visible()
    version = session.get_one(JourneyVersion, world.ids["journey_draft"])
    session.refresh(version)
    assert version.spec["steps"][0]["days"] == 6
