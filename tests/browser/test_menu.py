"""Users of each role log in through the form, see exactly their menu, and are kept out of the rest."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import expect
from sqlalchemy.orm import Session

from app import permissions
from app.views import MENU
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import PHONE, Window
from tests.conftest import PASSWORD, make_staff
from tests.thorough import share, thorough

VIEWS = [screen.__name__ for area in MENU for screen in area.screens]
#: roles whose menu holds something; bank systems use the API only
STAFF = [role for role in permissions.ROLES.values() if role != "Integration"]


def log_in(window: Window, username: str, password: str = PASSWORD) -> None:
    window.page.get_by_label("用户名").fill(username)
    window.page.get_by_label("密码").fill(password)
    window.page.get_by_role("button", name="登录").click()


def addresses(app: Flask) -> dict[str, str]:
    """Return the address of the list of every view in the menu."""
    views = app.appbuilder.baseviews  # type: ignore[attr-defined]
    return {type(view).__name__: f"{view.route_base}/list/" for view in views if type(view).__name__ in VIEWS}


def menu(window: Window) -> list[str]:
    links = window.page.locator("#side .area a")
    return links.evaluate_all("links => links.map(link => new URL(link.href).pathname)")  # type: ignore[no-any-return]


@thorough
@pytest.mark.parametrize("role", STAFF)
def test_a_role_opens_its_menu_and_nothing_else(
    app: Flask, session: Session, world: World, visit: Visit, role: str
) -> None:
    make_staff(session, "me", role, branch=world.home, language="zh")
    window, lists = visit(""), addresses(app)
    window.open("/login/")
    log_in(window, "me")
    expect(window.page.locator("#side")).to_be_visible()
    granted = permissions.granted(role, permissions.menu_names(app.appbuilder))  # type: ignore[attr-defined]
    allowed = [view for view in VIEWS if ("menu_access", view) in granted]
    assert menu(window) == [lists[view] for view in allowed]
    assert window.page.locator("#side .area a[aria-current]").count() == 1
    expect(window.page.locator("#side .area[open]")).to_have_count(1)
    for view in allowed if role == "Admin" else share(allowed, 8):
        link = window.page.locator(f'#side a[href="{lists[view]}"]')
        if not link.is_visible():
            inside = window.page.locator(f'a[href="{lists[view]}"]')
            window.page.locator("#side .area").filter(has=inside).locator("summary").click()
        link.click()
        expect(link).to_have_attribute("aria-current", "page")
    for view in share([view for view in VIEWS if ("can_list", view) not in granted], 4):
        window.open(lists[view], status=403)
        expect(window.page.locator("main")).to_contain_text("403")
        assert menu(window) == [lists[view] for view in allowed]


@thorough
def test_an_account_of_a_bank_system_opens_no_screen(
    app: Flask, session: Session, world: World, visit: Visit
) -> None:
    make_staff(session, "robot", "Integration", language="zh")
    window = visit("")
    window.open("/login/")
    log_in(window, "robot")
    expect(window.page.locator("#side")).to_be_visible()
    assert menu(window) == []
    for address in share(addresses(app).values(), 8):
        window.open(address, status=403)


def test_a_wrong_password_is_refused_and_log_out_works(session: Session, world: World, visit: Visit) -> None:
    make_staff(session, "boss", "Manager", language="zh")
    window = visit("")
    window.open("/leadview/list/")
    log_in(window, "boss", "wrong")
    expect(window.page.get_by_role("alert")).to_contain_text("用户名或密码不正确")
    log_in(window, "boss")
    expect(window.page.get_by_role("heading", level=1)).to_have_text("线索管理")
    window.page.locator(".person summary").click()
    window.page.get_by_role("button", name="退出登录").click()
    expect(window.page.get_by_role("button", name="登录")).to_be_visible()
    window.open("/leadview/list/")
    expect(window.page.get_by_label("密码")).to_be_visible()


def test_the_menu_is_a_drawer_on_a_phone(visit: Visit) -> None:
    window = visit("Marketer", width=PHONE)
    window.open("/hitview/list/")
    side = window.page.locator("#side")
    expect(side).not_to_be_visible()
    window.page.get_by_role("button", name="打开菜单").click()
    side.locator("summary", has_text="线索管理").click()
    expect(side.get_by_role("link", name="线索管理")).to_be_visible()
    window.page.keyboard.press("Escape")
    expect(side).not_to_be_visible()
    window.page.get_by_role("button", name="打开菜单").press("Enter")
    side.get_by_role("link", name="线索管理").press("Enter")
    expect(window.page.get_by_role("heading", level=1)).to_have_text("线索管理")
    expect(side).not_to_be_visible()


def test_an_area_of_the_menu_stays_as_it_was_left(visit: Visit) -> None:
    window = visit("Manager")
    window.open("/leadview/list/")
    rules = window.page.locator("#side .area[data-area=Rules]")
    expect(rules.get_by_role("link")).to_have_count(0)
    rules.locator("summary").press("Enter")
    window.open("/hitview/list/")
    expect(rules.get_by_role("link", name="指标版本")).to_be_visible()
    rules.locator("summary").click()
    window.open("/hitview/list/")
    expect(rules.get_by_role("link", name="指标版本")).not_to_be_visible()


def test_the_language_switch_keeps_the_page(world: World, visit: Visit) -> None:
    window = visit("Manager")
    window.open("/leadview/list/?_flt_1_status=active")
    window.page.get_by_role("link", name="English").click()
    expect(window.page).to_have_url("/leadview/list/?_flt_1_status=active")
    expect(window.page.get_by_role("heading", level=1)).to_have_text("Leads")
    expect(window.page.locator("html")).to_have_attribute("lang", "en")
    expect(window.rows).to_have_count(3)
    window.open(f"/leadview/show/{world.ids['lead_home']}")
    window.page.get_by_role("link", name="中文").click()
    expect(window.page).to_have_url(f"/leadview/show/{world.ids['lead_home']}")
    expect(window.page.locator("html")).to_have_attribute("lang", "zh-CN")
