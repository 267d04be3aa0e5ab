"""Everything is found from the keyboard, on every page and screen, and what is typed is in no address."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import ChangeLog
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import DESK, PHONE


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_customers_pages_and_numbers_are_opened_from_the_keyboard(
    visit: Visit, world: World, session: Session, width: int
) -> None:
    window = visit("Manager", width=width)
    asked: list[str] = []
    window.page.on("request", lambda request: asked.append(request.url))
    keyboard, box = window.page.keyboard, window.page.get_by_role("combobox", name="全局搜索")
    option = window.page.locator("#found").get_by_role("option")

    window.open("/ruleview/list/")
    keyboard.press("/")
    expect(box).to_be_focused()
    keyboard.type("客户HOME")
    expect(option).to_have_count(2)
    keyboard.press("ArrowDown")
    expect(option.last).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", str(option.last.get_attribute("id")))
    keyboard.press("Enter")
    window.page.wait_for_url(f"**/customerview/show/{world.ids['lead_sub']}")
    expect(window.page.locator("main")).to_contain_text("客户HOME-SUB")

    keyboard.press("Control+k")
    keyboard.type("节假日")
    keyboard.press("Enter")  # at once: the results open when they come
    window.page.wait_for_url("**/holidayview/list/")

    keyboard.press("/")
    keyboard.type("13800000001")
    expect(option).to_have_count(1)
    assert session.scalar(select(ChangeLog.id).where(ChangeLog.kind == "number_search")) is None
    keyboard.press("Enter")
    window.page.wait_for_url(f"**/customerview/show/{world.ids['lead_home']}")
    session.rollback()
    assert session.scalar(select(ChangeLog.id).where(ChangeLog.kind == "number_search")) is not None
    assert not [url for url in asked if re.search("138000|%E5%AE%A2", url)]

    keyboard.press("/")
    keyboard.type("没有的东西")
    expect(window.page.locator(".found-none")).to_be_visible()
    keyboard.press("Escape")
    expect(window.page.locator(".found-none")).to_be_hidden()
