"""A marketer's morning, and what the manager sees of it."""

from __future__ import annotations

import datetime as dt

from playwright.sync_api import expect
from sqlalchemy.orm import Session

from app.models import Hit
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import PHONE, Window


def figure(window: Window, name: str) -> str:
    card = window.page.locator(".kpi", has=window.page.get_by_role("heading", name=name, exact=True))
    return str(card.locator("b").inner_text())


def test_a_hit_goes_from_new_to_converted_and_the_numbers_move(
    session: Session, world: World, visit: Visit
) -> None:
    hit = session.get_one(Hit, world.ids["hit_home_waiting"])
    hit.hit_date = dt.date.today() - dt.timedelta(days=1)
    session.commit()
    window, manager = visit("Marketer"), visit("Manager", width=PHONE)
    manager.open("/")
    expect(manager.page).to_have_url("/workspaceview/list/")
    assert (figure(manager, "高潜线索总数"), figure(manager, "待营销处理")) == ("9", "3")

    # New hits: what is nobody's, claimed from the list of the day.
    window.open("/")
    assert (figure(window, "高潜线索总数"), figure(window, "待营销处理")) == ("6", "2")
    window.page.get_by_role("link", name="待营销处理").first.click()
    expect(window.rows).to_have_count(2)
    window.open("/myworkview/list/?show=unclaimed")
    window.rows.filter(has_not_text="SUB").get_by_role("button", name="认领").click()
    expect(window.page.locator(".toast-good")).to_contain_text("已认领 1 条")
    window.open("/myworkview/list/?show=mine")
    expect(window.rows).to_have_count(1)

    # Contact: the pane opens, the number is revealed for a reason.
    window.rows.get_by_role("button", name="单独联系").click()
    expect(window.page).to_have_url(f"/hitview/show/{hit.id}#contact")
    window.page.get_by_role("button", name="查看完整号码").click()
    window.dialog.get_by_role("textbox", name="原因").fill("首次电话联系")
    window.dialog.get_by_role("button", name="查看", exact=True).click()
    expect(window.page.locator("[data-phone]")).to_have_text("13800000001")
    window.page.get_by_label("沟通情况").fill("有意向，约明日答复")
    window.page.get_by_role("button", name="保存跟进").click()
    expect(window.page.locator(".history li")).to_have_count(3)

    # Next day's call, and the outcome.
    window.page.get_by_text("营销已转化", exact=True).click()
    window.page.get_by_label("金额").fill("80000")
    window.page.get_by_role("button", name="标记转化").click()
    expect(window.page.locator(".history-convert")).to_be_visible()
    window.open("/")
    assert figure(window, "待营销处理") == "1"

    manager.page.reload()
    assert (figure(manager, "高潜线索总数"), figure(manager, "待营销处理")) == ("9", "2")
    manager.page.get_by_text("转化 1", exact=True).click()
    expect(manager.rows).to_have_count(1)
    expect(manager.rows).to_contain_text("L1001")


def test_a_bar_opens_its_hits(world: World, visit: Visit) -> None:
    window = visit("Manager")
    window.open("/workspaceview/list/")
    chart = window.page.get_by_role("img", name="转化漏斗")
    bar = chart.locator(".barlayer path").nth(1)
    bar.wait_for()
    bar.click(force=True)
    expect(window.page).to_have_url("/hitview/list/?_flt_0_work=contacted")
    expect(window.rows).to_have_count(6)
