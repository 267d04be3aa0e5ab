"""Parts of a page that send requests themselves: counts, late parts, and the bell after the session ended."""

from __future__ import annotations

import datetime as dt

from flask import Flask, render_template
from playwright.sync_api import expect
from sqlalchemy.orm import Session

from app.models import Backtest
from app.rules.coverage import Turnover
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import PHONE


def test_a_segment_is_counted_while_it_is_typed(visit: Visit, world: World) -> None:
    window = visit("Manager")
    window.open("/segmentview/add")
    line = window.page.locator(".live-count")
    expect(line).to_have_text("当前 3 条线索")
    window.page.locator("[name=opted_out]").select_option("yes")
    expect(line).to_have_text("当前 0 条线索")
    window.page.locator("[name=opted_out]").select_option("")
    expect(line).to_have_text("当前 3 条线索")
    window.page.get_by_role("button", name="添加条件").click()
    row = window.page.get_by_role("group", name="条件 1")
    row.get_by_label("条件内容").select_option(label="被触达过")
    expect(row.get_by_label("值")).to_be_hidden()
    row.get_by_label("比较").select_option(label="否")
    row.get_by_label("天数").fill("7")
    expect(line).to_have_text("当前 3 条线索")
    row.get_by_label("条件内容").select_option(label="金融资产")
    expect(row.get_by_label("天数")).to_be_hidden()
    row.get_by_label("值").fill("很多")
    expect(line).to_have_text("金融资产：不是金额")
    row.get_by_label("值").fill("5")
    expect(line).to_have_text("当前 0 条线索 · 另有 3 条线索缺少条件所用的事实")
    expect(line).to_be_in_viewport()
    row.get_by_role("button", name="移除").click()
    expect(line).to_have_text("当前 3 条线索")
    tree = window.page.locator(".checklist-tree")
    below = tree.get_by_label("HOME-SUB 支行")
    tree.get_by_label("HOME 支行", exact=True).check()
    expect(below).to_be_checked()
    expect(below).to_be_disabled()
    tree.get_by_label("HOME 支行", exact=True).uncheck()
    expect(below).not_to_be_checked()


def test_the_effect_of_a_submitted_rule_is_loaded_after_the_page(visit: Visit, world: World) -> None:
    window = visit("Admin")
    window.open(f"/approvalview/show/{world.ids['approval']}")
    part = window.page.locator("[aria-labelledby=turnover-title] .card-text")
    expect(part).to_have_attribute("aria-busy", "false")
    expect(part).not_to_contain_text("计算中…")


def test_long_names_of_versions_do_not_widen_a_phone(visit: Visit, world: World, worker_app: Flask) -> None:
    counted = Turnover(days=[(dt.date(2026, 11, 30), 82, 72)], gained=0, lost=10, kept=72)
    with worker_app.test_request_context("/?lang=en"):
        answer = render_template(
            "approvals/turnover.html",
            turnover=counted,
            before="购车租赁意向与分期 v1",
            after="购车租赁意向与分期 v2",
        )
    window = visit("Admin", width=PHONE, language="en")
    window.page.route("**/approvalview/turnover/*", lambda route: route.fulfill(body=answer))
    window.open(f"/approvalview/show/{world.ids['approval']}")
    expect(window.page.locator("[aria-labelledby=turnover-title] table")).to_be_visible()
    assert window.page.evaluate("document.documentElement.scrollWidth") == PHONE


def test_progress_is_followed_and_its_end_reloads_the_page(
    visit: Visit, world: World, session: Session
) -> None:
    window = visit("Manager")
    window.page.clock.install()
    window.open(f"/backtestview/show/{world.ids['running_backtest']}")
    row = session.get_one(Backtest, world.ids["running_backtest"])
    row.progress = 40
    session.commit()
    window.page.clock.fast_forward(2_100)
    card = window.page.locator(".progress")
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    row.status = "cancelled"
    session.commit()
    window.page.clock.fast_forward(2_100)
    expect(card).to_contain_text("已取消")
    expect(window.page.locator(".progress:not([hx-get])")).to_be_visible()


def test_the_log_in_page_is_never_shown_inside_a_part(visit: Visit) -> None:
    window = visit("Manager")
    window.page.clock.install()
    window.open("/hitview/list/")
    window.context.clear_cookies()
    with window.page.expect_response("**/login/**"):
        window.page.clock.fast_forward(61_000)
    bell = window.page.locator("#bell")
    expect(bell).to_have_text("提醒，0 条未读")
    expect(bell.locator("form, input")).to_have_count(0)
