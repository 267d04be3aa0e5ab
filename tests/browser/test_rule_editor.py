"""The rule editor in the browser: use by keyboard, feedback while typing, and concurrent edits."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.lib.clock import today
from app.models import Institution, Lead, RuleVersion
from app.rules.versions import rule_def
from app.t1.deliveries import ingest_logs
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.test_chart import BLUE
from tests.browser.test_pages import check
from tests.browser.window import WIDTHS


@pytest.fixture
def activity(app: Flask, world: World, session: Session, tmp_path: Path) -> None:
    """Store four calls of every lead of the world, yesterday evening."""
    session.add(Institution(code="EC", name="华东中心机构", category="bank", region="华东"))
    session.commit()
    with app.app_context():
        day = today() - dt.timedelta(days=1)
        lines = [
            {
                "request_id": f"{lead.id}-{call}",
                "event_time": f"{day} 21:00:{call:02d}",
                "event_type": "data_call",
                "institution_code": "EC",
                "id_hash": lead.id_hash,
                "result": "success",
            }
            for lead in session.scalars(select(Lead))
            for call in range(4)
        ]
        log = tmp_path / "log.jsonl"
        log.write_text("\n".join(map(json.dumps, lines)), "utf-8")
        assert ingest_logs(app.config["SETTINGS"], [log]).as_json()["accepted"] == len(lines)


def test_a_rule_is_created_by_keyboard(visit: Visit, activity: None, session: Session) -> None:
    window = visit("Manager")
    window.open("/ruleview/add")
    page, keys = window.page, window.page.keyboard
    page.get_by_label("编码").focus()
    keys.press("Control+A")
    keys.type("R-KEYS")
    keys.press("Tab")
    keys.type("晚间活跃")
    # The first condition: at least 4 calls at an institution found by typing, from 20:00 to 2:00.
    page.get_by_label("阈值").focus()
    keys.press("Control+A")
    keys.type("4")
    keys.press("Tab")
    keys.type("中心")
    expect(page.get_by_role("option", name="华东中心机构")).to_be_visible()
    expect(page.locator("[role=option]:visible")).to_have_count(1)
    keys.press("ArrowDown")
    keys.press("Enter")
    keys.press("Escape")
    page.get_by_role("button", name="20:00").focus()
    keys.press(" ")
    for _hour in range(5):
        keys.press("Shift+ArrowRight")
    expect(page.get_by_label("时段").locator("[data-said]")).to_have_text("20:00 – 02:00 （次日）")
    meaning = page.locator("#meaning")
    expect(meaning).to_contain_text("近7天 每日20:00–次日2:00 在华东中心机构 活跃次数 ≥ 4 次；冷却 7 天")
    expect(page.locator("#coverage [data-part=state]")).to_contain_text("3 条线索")
    expect(page.locator(f"#coverage path[fill='{BLUE}']")).to_have_count(1)
    expect(page.locator(".sample-list li")).to_have_count(3)
    # Only those whose assets fell by half: nobody's are known.
    page.get_by_role("button", name="添加条件").press("Enter")
    expect(page.get_by_label("条件内容")).to_be_focused()
    page.get_by_label("条件内容").select_option(label="金融资产")
    page.get_by_label("比较", exact=True).select_option(label="下降至少百分之…")
    page.get_by_label("值", exact=True).fill("50")
    page.get_by_role("spinbutton", name="天数").fill("30")
    expect(meaning).to_contain_text("仅限金融资产比 30 天前下降至少 50%")
    expect(page.locator("#coverage [data-part=state]")).to_contain_text("0 条线索")
    # The second one can't be met, which is shown beside it and again on saving.
    page.get_by_role("button", name="新增条件").press("Enter")
    expect(page.get_by_label("最近").nth(1)).to_be_focused()
    second = page.locator(".condition").nth(1)
    second.get_by_label("统计口径", exact=True).select_option("active_days")
    second.get_by_label("阈值").focus()
    keys.press("Control+A")
    keys.type("8")
    refusal = second.locator("[data-problem=value]")
    expect(refusal).to_contain_text("没有线索能满足")
    window.refusals.add(f"{window.base}/ruleview/add")
    keys.press("Enter")
    expect(page.locator("#summary")).to_be_focused()
    expect(page.locator("#summary")).to_contain_text("条件 2 · 阈值: 没有线索能满足")
    keys.press("Tab")
    keys.press("Enter")
    expect(second.get_by_label("阈值")).to_be_focused()
    keys.press("Control+A")
    keys.type("1")
    expect(refusal).to_be_hidden()
    keys.press("Enter")
    expect(page.locator(".toast-good")).to_contain_text("晚间活跃 v1 已保存")
    version = session.scalars(select(RuleVersion).where(RuleVersion.name == "晚间活跃")).one()
    said = [(c.metric, c.value, c.hours, c.institutions) for c in rule_def(version).conditions]
    assert version.lead_filter == {"filter": {"fact": "aum", "fell_by": 0.5, "against_days": 30}}
    assert said == [("calls", 4, [20, 2], ["EC"]), ("active_days", 1, [0, 24], [])]


def test_conditions_are_copied_moved_and_removed(visit: Visit, world: World) -> None:
    window = visit("Manager")
    window.open(f"/ruleversionview/edit/{world.ids['draft']}")
    page = window.page
    days = page.get_by_label("最近")
    page.get_by_role("button", name="复制").click()
    days.nth(1).fill("30")
    page.get_by_role("button", name="上移").nth(1).click()
    assert [days.nth(n).input_value() for n in (0, 1)] == ["30", "7"]
    page.get_by_role("button", name="移除").nth(1).click()
    expect(days).to_have_value("30")
    expect(page.get_by_role("button", name="移除")).to_be_disabled()
    # Leaving the page asks first, because there are unsaved changes.
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="取消").click()
    expect(days).to_have_value("30")
    assert asked == ["beforeunload"]


@WIDTHS
def test_a_concurrent_edit_is_compared_and_merged(
    visit: Visit, world: World, session: Session, width: int
) -> None:
    path = f"/ruleversionview/edit/{world.ids['draft']}"
    first, second = visit("Manager"), visit("Admin", width=width)
    for window in (first, second):
        window.open(path)
    page = second.page
    first.page.get_by_label("冷却期").fill("21")
    first.page.get_by_label("名称").fill("甲的名称")
    page.get_by_label("名称").fill("乙的名称")
    page.get_by_label("用途").fill("乙的用途")
    first.page.get_by_role("button", name="保存草稿").click()
    expect(first.page.locator(".toast-good")).to_be_visible()
    second.refusals.add(second.base + path)
    page.get_by_role("button", name="保存草稿").click()
    panel = page.locator("#merge")
    expect(panel).to_be_focused()
    expect(panel).to_contain_text("测试 于")
    check(second, "zh")
    expect(panel.get_by_role("row", name="冷却期").get_by_label("对方的")).to_be_checked()
    expect(panel.get_by_role("row", name="用途").get_by_label("您的")).to_be_checked()
    page.get_by_role("button", name="按所选内容继续编辑").click()
    expect(page.get_by_label("冷却期")).to_have_value("21")
    expect(page.get_by_label("名称")).to_have_value("乙的名称")
    page.get_by_role("button", name="保存草稿").click()
    expect(page.locator(".toast-good")).to_be_visible()
    version = session.get_one(RuleVersion, world.ids["draft"])
    session.refresh(version)
    assert (version.name, version.description, version.cooldown_days) == ("乙的名称", "乙的用途", 21)


@pytest.mark.parametrize(("language", "width"), [("zh", 390), ("en", 1280)])
def test_the_editor_is_sound_while_it_is_used(
    visit: Visit, activity: None, language: str, width: int
) -> None:
    window = visit("Admin", language=language, width=width)
    window.open("/ruleview/add")
    page: Page = window.page
    expect(page.locator(".sample-list li")).to_have_count(3)
    page.locator(".condition .picker-find").click()
    expect(page.locator(".picker-found [role=option]").first).to_be_visible()
    check(window, language)
    page.locator(".picker-found [role=option]").first.click()
    page.locator(".condition [data-field=value]").fill("-1")
    expect(page.locator(".condition [data-problem=value]")).to_be_visible()
    check(window, language)


def test_a_search_box_is_used_by_keyboard_alone(visit: Visit, activity: None) -> None:
    window = visit("Manager")
    window.open("/ruleview/add")
    page, keys = window.page, window.page.keyboard
    box = page.locator(".condition .picker")
    box.get_by_role("combobox", name="调用机构").focus()
    offered = box.get_by_role("option")
    expect(offered).to_contain_text(["银行", "华东", "华东中心机构", "机构零", "机构一"])
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(box.locator(".chip")).to_have_text(["华东×"])
    # Selected choices are not offered again.
    expect(offered).to_contain_text(["银行", "华东中心机构", "机构零", "机构一"])
    keys.type("银行")
    expect(offered).to_have_count(1)
    # A late answer does not reopen a closed list.
    with page.expect_response("**/find?kind=places&q="):
        keys.press("Enter")
        keys.press("Escape")
    expect(box.locator(".chip")).to_have_text(["华东×", "银行×"])
    expect(offered.first).to_be_hidden()
    # With the list closed Enter submits no form; Backspace removes the last choice, the cross any.
    keys.press("Enter")
    keys.press("Backspace")
    expect(box.locator(".chip")).to_have_text(["华东×"])
    box.get_by_role("button", name="移除 华东").press("Enter")
    expect(box.locator(".chip")).to_have_count(0)
    expect(page.locator("#summary")).to_be_hidden()
