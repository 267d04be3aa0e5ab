"""A manager's work on the list of leads, on a desktop screen and on a phone."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from playwright.sync_api import Locator, expect
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Lead
from app.screens.leads import page as lead_page
from config import Settings
from tests import clock
from tests.access.world import World, lead
from tests.browser.conftest import Visit
from tests.browser.window import PHONE, WIDTHS
from tests.leads.support import id_number

NEW_PHONE = "13911112222"


def count_leads(session: Session) -> int:
    """Return the number of leads that are not deleted."""
    session.rollback()
    return session.scalar(select(func.count()).where(Lead.deleted_at.is_(None))) or 0


def field_of(control: Locator) -> Locator:
    """Return the form field around a control, with its label, help and error."""
    return control.locator("xpath=ancestor::div[contains(concat(' ', @class, ' '), ' field ')]")


@WIDTHS
def test_a_lead_is_added_and_changed(session: Session, visit: Visit, width: int) -> None:
    window = visit("Manager", width=width)
    page = window.page
    window.open("/leadview/list/")
    page.get_by_role("link", name="新增线索").click()
    name, phone, number = (page.get_by_label(text) for text in ("客户姓名", "联系电话", "身份证号"))
    name.fill("赵新客")
    phone.fill(NEW_PHONE)
    right = id_number(7)
    number.fill(right[:-1] + ("1" if right[-1] != "1" else "2"))
    page.get_by_role("button", name="保存").click()
    expect(page.locator(".summary")).to_be_focused()
    expect(number).to_have_attribute("aria-invalid", "true")
    expect(field_of(number).locator(".error")).not_to_be_empty()
    expect(name).to_have_value("赵新客")
    expect(phone).to_have_value(NEW_PHONE)
    assert count_leads(session) == 3

    number.fill(right)
    page.get_by_role("button", name="保存").click()
    expect(page.locator(".toast-good")).to_contain_text("已保存")
    expect(page).to_have_url("/leadview/list/")
    expect(window.row("赵新客")).to_contain_text("139****2222")

    window.row("赵新客").get_by_role("link", name="编辑").click()
    expect(page.get_by_label("客户姓名")).to_have_value("赵新客")
    page.get_by_label("客户姓名").fill("赵改名")
    page.get_by_role("button", name="保存").click()
    expect(window.row("赵改名")).to_have_count(1)
    expect(window.row("赵新客")).to_have_count(0)
    assert count_leads(session) == 4


@WIDTHS
def test_leads_are_found_and_filters_taken_off_one_by_one(
    session: Session, world: World, visit: Visit, width: int
) -> None:
    session.get_one(Lead, world.ids["lead_sub"]).status = "paused"
    session.commit()
    window = visit("Manager", width=width)
    chips = window.page.locator(".chip")
    window.open("/leadview/list/")
    window.search("客户姓名", "客户HOME")
    expect(window.rows).to_have_count(2)
    window.choose("状态", "已暂停")
    expect(window.rows).to_have_count(1)
    window.choose("所属机构", "HOME-SUB 支行")
    expect(window.rows).to_have_count(1)
    expect(chips).to_have_text([re.compile(text) for text in ("姓名：客户HOME", "状态：已暂停", "HOME-SUB")])
    chips.nth(1).click()
    expect(chips).to_have_count(2)
    expect(window.rows).to_have_count(1)
    chips.nth(1).click()
    expect(chips).to_have_count(1)
    expect(window.rows).to_have_count(2)
    chips.first.click()
    expect(chips).to_have_count(0)
    expect(window.rows).to_have_count(3)

    window.search("联系电话（完整号码）", "138 0000 0002")
    expect(window.rows).to_have_count(1)
    expect(window.row("客户AWAY")).to_have_count(1)
    window.page.get_by_role("link", name="重置", exact=True).click()
    window.search("客户姓名", "没有这个人")
    expect(window.rows).to_have_count(0)
    expect(window.page.locator(".empty")).to_contain_text("没有符合")
    window.page.locator(".empty a").click()
    expect(window.rows).to_have_count(3)


def test_a_column_head_sorts(visit: Visit) -> None:
    window = visit("Manager")
    window.open("/leadview/list/")
    head = window.page.get_by_role("columnheader", name="客户姓名")
    up = ["客户AWAY", "客户HOME", "客户HOME-SUB"]
    for state, names in (("ascending", up), ("descending", up[::-1])):
        head.get_by_role("link").click()
        expect(head).to_have_attribute("aria-sort", state)
        expect(window.rows.locator('[data-label="客户姓名"]')).to_have_text(names)


@WIDTHS
def test_ticked_leads_are_deleted_after_a_question(session: Session, visit: Visit, width: int) -> None:
    window = visit("Manager", width=width)
    page, keys = window.page, window.page.keyboard
    window.open("/leadview/list/")
    bar = page.get_by_role("region", name="已选记录")
    expect(bar).not_to_be_visible()
    for name in ("客户AWAY", "客户HOME-SUB"):
        window.row(name).get_by_role("checkbox").press("Space")
    expect(bar).to_contain_text("已选 2 项")

    bar.get_by_role("button", name="删除").press("Enter")
    expect(window.dialog).to_contain_text("已选 2 项")
    expect(window.dialog.get_by_role("button", name="取消")).to_be_focused()
    keys.press("Enter")
    expect(window.dialog).not_to_be_visible()
    assert count_leads(session) == 3
    expect(bar).to_contain_text("已选 2 项")

    bar.get_by_role("button", name="删除").press("Enter")
    keys.press("Tab")
    expect(window.dialog.get_by_role("button", name="删除")).to_be_focused()
    keys.press("Enter")
    expect(page.locator(".toast-good")).to_contain_text("已删除 2 条线索")
    expect(window.rows).to_have_count(1)
    assert count_leads(session) == 1


@WIDTHS
def test_one_lead_is_deleted_and_an_empty_list_says_what_to_do(
    session: Session, visit: Visit, width: int
) -> None:
    window = visit("Manager", width=width)
    page = window.page
    window.open("/leadview/list/")
    window.row("客户AWAY").get_by_role("button", name="删除").click()
    expect(window.dialog).to_contain_text("客户AWAY")
    page.keyboard.press("Escape")
    expect(window.dialog).not_to_be_visible()
    assert count_leads(session) == 3
    window.row("客户AWAY").get_by_role("button", name="删除").click()
    window.dialog.get_by_role("button", name="删除").click()
    expect(window.rows).to_have_count(2)
    assert count_leads(session) == 2

    for box in window.rows.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("region", name="已选记录").get_by_role("button", name="删除").click()
    window.dialog.get_by_role("button", name="删除").click()
    expect(page.locator(".empty")).to_contain_text("暂无线索")
    expect(page.get_by_role("link", name="导入线索")).to_be_visible()


def test_deleting_from_its_own_page_leads_to_the_list(world: World, visit: Visit) -> None:
    window = visit("Manager")
    window.open(f"/leadview/show/{world.ids['lead_home']}")
    window.page.get_by_role("button", name="删除").click()
    window.dialog.get_by_role("button", name="删除").click()
    expect(window.page).to_have_url("/leadview/list/")
    expect(window.rows).to_have_count(2)


def test_the_page_size_is_remembered(
    session: Session, world: World, settings: Settings, visit: Visit
) -> None:
    session.add_all([lead(settings, number, world.home) for number in range(10, 40)])
    session.commit()
    window = visit("Manager")
    window.open("/leadview/list/")
    expect(window.rows).to_have_count(25)
    window.page.get_by_role("link", name="第 2 页").click()
    expect(window.rows).to_have_count(8)
    window.page.get_by_label("每页条数").select_option("50")
    expect(window.rows).to_have_count(33)
    window.open("/hitview/list/")
    window.open("/leadview/list/")
    expect(window.rows).to_have_count(33)
    expect(window.page.get_by_label("每页条数")).to_have_value(re.compile("=50"))


@WIDTHS
def test_typed_input_is_not_lost_without_a_question(visit: Visit, width: int) -> None:
    window = visit("Manager", width=width)
    page = window.page
    asked: list[str] = []
    answers = iter(["stay", "leave"])

    def answer(dialog: object) -> None:
        asked.append(dialog.type)  # type: ignore[attr-defined]
        dialog.dismiss() if next(answers) == "stay" else dialog.accept()  # type: ignore[attr-defined]

    page.on("dialog", answer)
    window.open("/leadview/list/")
    page.get_by_role("link", name="新增线索").click()
    page.get_by_role("button", name="保存").click()
    expect(page.locator(".summary")).to_be_visible()
    page.get_by_role("link", name="取消").click()
    expect(page).to_have_url("/leadview/list/")
    page.get_by_role("link", name="新增线索").click()
    page.get_by_label("客户姓名").press_sequentially("钱")
    page.get_by_role("link", name="取消").click()
    expect(page.get_by_label("客户姓名")).to_have_value("钱")
    page.get_by_role("link", name="取消").click()
    expect(page).to_have_url("/leadview/list/")
    assert asked == ["beforeunload", "beforeunload"]


def test_an_auditor_may_look_but_is_offered_nothing_to_change(world: World, visit: Visit) -> None:
    window = visit("Auditor")
    window.open("/leadview/list/")
    expect(window.rows).to_have_count(3)
    for offered in ("checkbox", "button"):
        expect(window.rows.get_by_role(offered)).to_have_count(0)  # type: ignore[arg-type]
    expect(window.page.get_by_role("link", name=re.compile("新增|导入线索|编辑"))).to_have_count(0)
    window.open("/leadview/add", status=403)
    window.open(f"/leadview/edit/{world.ids['lead_home']}", status=403)


def test_ninety_days_fit_a_phone_when_they_lie_in_fourteen_weeks(
    world: World, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On Sundays and Mondays they lie in thirteen.
    monkeypatch.setattr(lead_page, "today", lambda: dt.date(2027, 1, 1))
    window = visit("Manager", width=PHONE, language="en")
    window.open(f"/leadview/show/{world.ids['lead_home']}")
    card = window.page.locator(".days-card:has(.days)")
    expect(card.locator(".days > .day")).to_have_count(90)
    assert card.evaluate("card => card.scrollWidth - card.clientWidth") == 0


@WIDTHS
def test_a_time_line_is_filtered_by_kinds_and_shown_as_known_earlier(
    session: Session, world: World, visit: Visit, width: int
) -> None:
    window = visit("Admin", width=width)
    page = window.page
    window.open(f"/leadview/show/{world.ids['lead_home']}")
    page.get_by_role("link", name="客户时间线").click()
    entries, kinds = page.locator(".line-entry"), page.get_by_role("navigation", name="记录类型")
    expect(page.locator(".line-imports")).not_to_have_count(0)
    kinds.get_by_role("link", name="命中").click()
    expect(kinds.get_by_role("link", name="命中")).to_have_attribute("aria-current", "true")
    expect(entries).to_have_count(3)
    entries.first.get_by_text("详情").click()
    expect(entries.first).to_contain_text("指标条件")
    kinds.get_by_role("link", name="名单导入").click()
    expect(entries).to_have_count(4)
    yesterday = (clock.today() - dt.timedelta(days=1)).isoformat()
    page.get_by_label("截至当日所知").fill(yesterday)
    page.get_by_role("button", name="查看").click()
    expect(page.locator(".line-known")).to_contain_text(f"系统在 {yesterday} 结束时所知道的内容")
    # All of them were made today.
    expect(entries).to_have_count(0)
    page.get_by_role("link", name="重置").click()
    expect(entries).to_have_count(4)
