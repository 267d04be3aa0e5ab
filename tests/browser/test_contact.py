"""The contact panel in the browser: the actions that a result and a conversion take."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from playwright.sync_api import expect
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.coldstart import apply_presets
from app.extensions import db
from app.models import Customer, Hit, OutreachSetting
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import PHONE, WIDTHS, Hand, screen

ALWAYS = {"open_from": "00:00", "open_to": "24:00", "skip_holidays": False}


@pytest.fixture
def bank(app: Flask, session: Session, world: World) -> World:
    """Return a bank with the preset results and scripts, and contact hours all day."""
    session.execute(update(OutreachSetting).values(values=ALWAYS))
    session.commit()
    with app.app_context():
        apply_presets()
        db.session.commit()
    return world


@WIDTHS
def test_a_result_takes_four_actions(session: Session, bank: World, visit: Visit, width: int) -> None:
    window = visit("Marketer", width=width)
    window.open("/customerview/list/")
    hand, page = Hand(window), window.page
    hand.click(window.row("L1001").get_by_role("link").first)
    hand.click(page.get_by_role("button", name="致电客户"))
    number = page.locator("[data-phone]")
    expect(number).to_have_text("13800000001")
    expect(page.get_by_role("link", name="拨打")).to_have_attribute("href", "tel:13800000001")
    expect(page.locator(".may")).to_have_text("现在可以致电和发短信")
    expect(page.locator(".script").first).to_contain_text("您好，请问是客先生/女士吗")
    if width != PHONE:
        seen = page.locator(".results").bounding_box()
        assert seen is not None
        assert seen["y"] + seen["height"] <= screen(width)["height"], "number, script and results are in view"
    hand.click(page.get_by_role("button", name="接通考虑中"))
    # From a list the page goes on to the next customer.
    expect(page.locator(".toast-good")).to_contain_text("接通考虑中")
    assert hand.actions <= 4
    session.expire_all()
    assert session.get_one(Customer, bank.ids["lead_home"]).owner_id is not None


def test_a_conversion_takes_six_actions(session: Session, bank: World, visit: Visit) -> None:
    window = visit("Marketer")
    window.open("/customerview/list/")
    hand, page = Hand(window), window.page
    hand.click(window.row("L1001").get_by_role("link").first)
    hand.click(page.get_by_role("button", name="致电客户"))
    expect(page.locator("[data-phone]")).to_have_text("13800000001")
    hand.click(page.get_by_text("营销已转化", exact=True))
    hand.choose(page.get_by_label("产品"), "消费贷")
    hand.click(page.get_by_role("button", name="标记转化"))
    expect(page.locator(".toast-good")).to_be_visible()
    assert hand.actions <= 6
    converted = select(Hit.product_id).where(Hit.lead_id == bank.ids["lead_home"], Hit.status == "converted")
    assert bank.ids["product"] in session.scalars(converted).all()


def test_a_number_stays_while_the_panel_is_open(bank: World, visit: Visit) -> None:
    window = visit("Marketer")
    page = window.page
    page.clock.install()
    window.open(f"/hitview/show/{bank.ids['hit_home_waiting']}")
    page.get_by_role("button", name="客户来电").click()
    number = page.locator("[data-phone]")
    expect(number).to_have_text("13800000001")
    page.clock.run_for(31_000)
    expect(number).to_have_text("13800000001")
    page.reload()
    expect(number).to_have_text("138****0001")


def test_results_have_keys_and_what_is_refused_stays_on_the_page(
    session: Session, bank: World, visit: Visit
) -> None:
    window = visit("Marketer")
    page = window.page
    window.open(f"/customerview/show/{bank.ids['lead_home']}")
    place = page.locator(".crumbs").inner_text()

    def key(name: str) -> str:
        return page.get_by_role("button", name=name).first.get_attribute("data-key") or ""

    page.keyboard.press("u")
    expect(page.locator(".toast-info")).to_contain_text("这里没有可撤销的操作")
    # The agreed call asks for day and time first, and a mistake leaves everything where it was.
    page.keyboard.press(key("约定回电"))
    day = page.get_by_label("约定回电日期")
    expect(day).to_be_focused()
    day.fill("2001-01-01")
    page.get_by_label("沟通情况").fill("下周再谈")
    page.get_by_role("button", name="保存约定回电").click()
    expect(page.locator(".call-back .error")).to_contain_text("日期已过")
    expect(page).to_have_url(re.compile(r"/customerview/show/[0-9]+"))
    assert page.locator(".crumbs").inner_text() == place
    expect(page.get_by_label("沟通情况")).to_have_value("下周再谈")
    window.open(f"/customerview/show/{bank.ids['lead_home']}")
    page.keyboard.press(key("接通考虑中"))
    expect(page.locator(".toast-good")).to_contain_text("接通考虑中")
    page.keyboard.press("u")
    expect(page.locator(".toast-good")).to_contain_text("已撤销：接通考虑中")
    session.expire_all()
    assert session.get_one(Customer, bank.ids["lead_home"]).owner_id is None


def test_a_note_goes_with_the_step_that_is_opened_after_it(bank: World, visit: Visit) -> None:
    window = visit("Marketer")
    page = window.page
    window.open(f"/customerview/show/{bank.ids['lead_home']}")
    page.get_by_label("沟通情况").fill("换了银行")
    page.locator("summary", has_text="关闭命中").click()
    note = page.locator("#close-note")
    expect(note).to_have_value("换了银行")
    page.locator("summary", has_text="营销已转化").click()
    expect(page.locator("#convert-note")).to_have_value("换了银行")
    expect(note).to_have_value("")
