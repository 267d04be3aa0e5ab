"""Light and dark pages: chosen in the menu of the person, kept with the account, never printed dark."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit

LIGHT, DARK = "rgb(244, 246, 249)", "rgb(18, 21, 26)"


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


def test_colours_are_a_choice_that_the_account_keeps(visit: Visit) -> None:
    window = visit("Manager")
    page = window.page
    page.emulate_media(color_scheme="dark")
    window.open("/workspaceview/list/")
    assert ground(page) == DARK, "as the system says"
    page.locator(".person summary").click()
    with page.expect_response("**/theme"):
        page.get_by_label("跟随系统").press("ArrowRight")
    expect(page.get_by_label("浅色")).to_be_checked()
    assert ground(page) == LIGHT
    bar = page.locator("[data-chart] svg path[fill='var(--blue-bright)']").first
    expect(bar).to_have_css("fill", "rgb(22, 119, 255)")
    with page.expect_response("**/theme"):
        page.get_by_label("深色").check(force=True)
    expect(bar).to_have_css("fill", "rgb(61, 139, 255)")
    page.emulate_media(color_scheme="light")
    window.open("/customerview/list/")
    assert ground(page) == DARK, "drawn so by the server, before any script"
    expect(page.locator("meta[name=color-scheme]")).to_have_attribute("content", "dark")
    page.emulate_media(media="print")
    assert ground(page) == LIGHT
