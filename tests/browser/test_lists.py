"""A list as people want it: columns, a shared view that a colleague opens, and a range of ticked rows."""

from __future__ import annotations

from playwright.sync_api import expect
from sqlalchemy.orm import Session

from app.models import Lead
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import PHONE, WIDTHS


@WIDTHS
def test_a_list_is_arranged_shared_and_worked(world: World, visit: Visit, width: int) -> None:
    window = visit("Manager", width=width)
    page = window.page
    window.open("/hitview/list/")
    page.get_by_text("列", exact=True).first.click()
    page.get_by_label("联系电话", exact=True).uncheck()
    page.get_by_label("来源渠道", exact=True).last.check()
    page.get_by_label("紧凑").check()
    page.get_by_role("button", name="应用").click()
    first = window.rows.first
    expect(first.locator("[data-label=来源渠道]")).to_have_count(1)
    expect(first.locator("[data-label=联系电话]")).to_have_count(0)

    window.choose("等级", "B")
    page.get_by_text("视图", exact=True).click()
    page.get_by_label("名称").fill("B 级无电话")
    page.get_by_label("共享给").select_option(label="营销专员")
    page.get_by_role("button", name="保存视图").click()
    expect(page.get_by_text("视图：B 级无电话")).to_be_visible()
    expect(window.rows.filter(has_text="AWAY")).not_to_have_count(0)

    boxes = window.rows.get_by_role("checkbox")
    boxes.nth(1).check()
    boxes.nth(4).click(modifiers=["Shift"])
    expect(page.get_by_role("region", name="已选记录")).to_contain_text("已选 4 项")
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.get_by_role("region", name="已选记录")).to_contain_text("已选 2 项")

    colleague = visit("Marketer", width=width)
    colleague.open("/hitview/list/")
    colleague.page.get_by_text("视图", exact=True).click()
    colleague.page.get_by_role("link", name="B 级无电话").click()
    expect(colleague.page.get_by_text("视图：B 级无电话")).to_be_visible()
    expect(colleague.rows.first.locator("[data-label=联系电话]")).to_have_count(0)
    expect(colleague.rows.filter(has_text="AWAY")).to_have_count(0)
    colleague.page.get_by_text("视图：B 级无电话").click()
    expect(colleague.page.get_by_role("button", name="用当前内容更新")).to_have_count(0)


def test_what_a_row_cuts_off_is_told_and_its_other_actions_are_in_a_menu(world: World, visit: Visit) -> None:
    window = visit("Manager")
    window.open("/ruleview/list/")
    row = window.row("R-1")
    row.get_by_role("link").first.focus()
    window.page.keyboard.press("j")
    window.page.keyboard.press("k")
    told = row.locator(".clip").bounding_box()
    assert told
    assert told["height"] >= 30
    row.locator(".row-menu > summary").click()
    expect(row.get_by_role("button", name="停用")).to_be_visible()
    window.page.keyboard.press("Escape")
    expect(row.get_by_role("button", name="停用")).to_be_hidden()


def test_on_a_phone_all_parts_of_a_cell_stand_beside_its_label(
    world: World, visit: Visit, session: Session
) -> None:
    lead = session.get_one(Lead, world.ids["lead_home"])
    lead.opted_out = True
    session.commit()
    window = visit("Manager", width=PHONE)
    window.open("/leadview/list/")
    cell = window.row(lead.lead_no).locator("[data-label=客户姓名]")
    line, mark = cell.bounding_box(), cell.locator(".tag-disturb").bounding_box()
    assert line
    assert mark
    assert mark["x"] >= line["x"] + 112, "right of the label"
    assert mark["y"] + mark["height"] <= line["y"] + 32, "on one line with the name"
