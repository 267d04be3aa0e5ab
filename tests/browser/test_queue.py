"""A clerk goes through a list of customers by keyboard, and loses neither the list nor the place in it."""

from __future__ import annotations

import datetime as dt

from flask import Flask
from playwright.sync_api import expect
from sqlalchemy.orm import Session

from app.models import Customer, RuleVersion
from tests import clock
from tests.access.world import World, hit, lead
from tests.browser.conftest import Visit
from tests.browser.window import WIDTHS, Window


def more_customers(app: Flask, session: Session, world: World, n: int) -> list[int]:
    """Store customers of the marketer's branch, each with a hit that waits. Return their keys."""
    leads = [lead(app.config["SETTINGS"], 200 + number, world.home) for number in range(n)]
    session.add_all(leads)
    session.flush()
    version = session.get_one(RuleVersion, world.ids["version"])
    session.add_all(hit(each, version, "waiting") for each in leads)
    session.commit()
    return [each.id for each in leads]


def owner(session: Session, key: int) -> str | None:
    session.expire_all()
    found = session.get_one(Customer, key).owner
    return found.username if found else None


def place(window: Window) -> str:
    return window.page.locator(".queue b").inner_text()


def test_a_list_is_worked_by_keyboard_from_one_to_the_next(
    app: Flask, session: Session, world: World, visit: Visit
) -> None:
    others = more_customers(app, session, world, 3)
    window = visit("Marketer")
    page, press = window.page, window.page.keyboard.press
    listed = "/customerview/list/?_flt_0_work=unclaimed&_oc_CustomerView=grade&_od_CustomerView=asc"
    window.open(listed)
    expect(window.rows).to_have_count(5)
    # The overlay, the search, and a claim within the list, which is undone from its message.
    press("?")
    expect(window.dialog).to_contain_text("下一条客户")
    press("Escape")
    press("/")
    expect(page.locator("#search")).to_be_focused()
    press("Escape")
    page.locator("h1").click()
    press("j")
    press("j")
    name = window.rows.nth(1).locator("a").first.inner_text()
    press("c")
    expect(page.locator(".toast-good")).to_contain_text("已认领 1 位客户")
    expect(page).to_have_url(listed)
    expect(window.rows).to_have_count(4)
    expect(window.rows.nth(1).locator("a").first).to_be_focused()
    page.get_by_role("button", name="撤销").click()
    expect(page.locator(".toast-good")).to_contain_text("已退回 1 位客户")
    expect(window.rows).to_have_count(5)
    expect(window.rows.nth(1)).to_contain_text(name.split()[0])

    # Opened from the list, the customers follow in its order, whatever becomes of them.
    keys = [int(str(row.get_attribute("value"))) for row in window.rows.locator("[name=rowid]").all()]
    assert set(others) < set(keys)
    press("j")
    press("Enter")
    expect(page.locator(".queue b")).to_have_text("1 / 5")
    press("c")
    expect(page.locator(".owner-line")).to_contain_text("该客户由您负责")
    assert owner(session, keys[0]) == "me"
    press("n")
    expect(page.get_by_label("沟通情况")).to_be_focused()
    page.keyboard.type("jk: 约明日再谈")
    page.get_by_label("下次联系").fill(str(clock.today() + dt.timedelta(days=1)))
    page.get_by_role("button", name="保存并下一条").first.click()
    expect(page.locator(".toast-good")).to_contain_text("跟进记录已保存")
    expect(page.locator(".queue b")).to_have_text("2 / 5")
    press("j")
    expect(page.locator(".queue b")).to_have_text("3 / 5")
    press("k")
    expect(page.locator(".queue b")).to_have_text("2 / 5")
    press("k")
    expect(page.locator(".queue b")).to_have_text("1 / 5")
    expect(page.locator(".history").first).to_contain_text("约明日再谈")

    # Given back, it stays the first of five; the list is where it was, with its filter and order.
    page.get_by_role("button", name="退回").click()
    expect(page.locator(".toast-good")).to_contain_text("已退回 1 位客户")
    expect(page.locator(".queue b")).to_have_text("1 / 5")
    press("u")
    expect(page.locator(".owner-line")).to_contain_text("该客户由您负责")
    press("l")
    expect(page).to_have_url(listed)
    expect(window.rows).to_have_count(4)


@WIDTHS
def test_an_action_in_a_long_list_keeps_page_and_place(
    app: Flask, session: Session, world: World, visit: Visit, width: int
) -> None:
    more_customers(app, session, world, 60)
    window = visit("Marketer", width=width)
    second = "/customerview/list/?_flt_0_work=unclaimed&page_CustomerView=1"
    window.open(second)
    button = window.rows.nth(20).get_by_role("button", name="认领")
    button.scroll_into_view_if_needed()
    before = window.page.evaluate("window.scrollY")
    assert before > 0
    button.click()
    expect(window.page.locator(".toast-good")).to_contain_text("已认领 1 位客户")
    expect(window.page).to_have_url(second)
    assert abs(window.page.evaluate("window.scrollY") - before) < 100
    window.rows.nth(5).locator("a").first.click()
    expect(window.page.locator(".queue b")).to_have_text("31 / 61")


def test_a_single_key_types_where_one_types_and_can_be_switched_off(world: World, visit: Visit) -> None:
    window = visit("Marketer")
    window.open(f"/customerview/show/{world.ids['lead_home']}")
    window.page.keyboard.press("?")
    window.dialog.get_by_label("在此浏览器中停用单键快捷键").check()
    window.page.keyboard.press("Escape")
    window.page.keyboard.press("c")
    window.page.keyboard.press("?")
    expect(window.dialog).to_have_count(0)
    expect(window.page.locator(".owner-line")).to_contain_text("该客户还没有负责人")
