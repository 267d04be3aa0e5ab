"""Everything can be reached and done by keyboard, with a visible focus."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.views import MENU
from tests.browser.conftest import Visit

#: what has the focus, and whether that can be seen
FOCUSED = """() => {
    const at = document.activeElement, style = getComputedStyle(at);
    const place = {
        skip: ".skip", menu: "#side", top: ".top", filters: ".filters", toolbar: ".toolbar",
        head: "thead", rows: "tbody", dialog: "dialog",
    };
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return {
        place: Object.keys(place).find((name) => at.closest(place[name])) ?? "",
        text: `${at.tagName} ${(at.textContent || at.name || "").trim().slice(0, 40)}`,
        seen: ring || style.boxShadow !== "none" || at === document.body,
        tag: at.tagName,
    };
}"""


def walk(page: Page, steps: int) -> list[dict[str, Any]]:
    """Press Tab several times and return each focused element."""
    stops = []
    for _step in range(steps):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(FOCUSED))
    return stops


def test_tab_reaches_menu_filters_and_rows_visibly(visit: Visit) -> None:
    window = visit("Manager")
    window.open("/leadview/list/")
    stops = walk(window.page, 90)
    places = [stop["place"] for stop in stops]
    assert places[0] == "skip"
    reached = [place for number, place in enumerate(places) if place and place not in places[:number]]
    assert reached[:5] == ["skip", "menu", "top", "filters", "toolbar"]
    assert {"head", "rows"} <= set(reached)
    assert [stop["text"] for stop in stops if not stop["seen"]] == []
    seen = {stop["tag"] for stop in stops}
    assert {"A", "BUTTON", "INPUT", "SELECT"} <= seen
    # The meaning of a column's term is shown to the keyboard, to the pointer and to a tap.
    mark, meaning = (
        window.page.get_by_role("button", name="来源渠道：含义说明"),
        window.page.get_by_role("tooltip"),
    )
    mark.focus()
    expect(meaning).to_contain_text("客户最初从哪个渠道来")
    expect(mark).to_have_accessible_description(re.compile("以线索名单为准"))
    window.page.keyboard.press("Escape")
    expect(meaning).to_be_hidden()
    mark.click()
    window.page.mouse.move(5, 5)
    expect(meaning).to_be_visible()
    mark.click()
    expect(meaning).to_be_hidden()


def test_every_link_of_the_menu_is_a_stop(visit: Visit) -> None:
    window = visit("Admin")
    window.open("/leadview/list/")
    areas = window.page.locator("#side .area:not([open]) > summary")
    while areas.count():
        areas.first.press("Enter")
    window.open("/leadview/list/")
    stops = [stop for stop in walk(window.page, 85) if stop["place"] == "menu"]
    assert len(stops) == 1 + len(MENU) + sum(len(area.screens) for area in MENU)


def test_the_skip_link_leads_past_the_menu(visit: Visit) -> None:
    window = visit("Manager")
    window.open("/leadview/list/")
    skip = window.page.locator(".skip")
    window.page.keyboard.press("Tab")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    window.page.keyboard.press("Enter")
    expect(window.page.locator("#content")).to_be_focused()
    assert walk(window.page, 1)[0]["place"] == "filters"


@pytest.mark.parametrize("key", ["Escape", "Enter"])
def test_a_dialog_keeps_the_focus_and_returns_it(visit: Visit, key: str) -> None:
    window = visit("Manager")
    window.open("/leadview/list/")
    asking = window.row("客户AWAY").get_by_role("button", name="删除")
    asking.press("Enter")
    expect(window.dialog.get_by_role("button", name="取消")).to_be_focused()
    # After the last button the focus moves to the browser itself, which shows as the body.
    stops = walk(window.page, 8)
    assert {stop["place"] for stop in stops if stop["tag"] != "BODY"} == {"dialog"}
    assert [stop["text"] for stop in stops if not stop["seen"]] == []
    window.dialog.get_by_role("button", name="取消").focus()
    window.page.keyboard.press(key)
    expect(window.dialog).not_to_be_visible()
    expect(asking).to_be_focused()
    expect(window.rows).to_have_count(3)


def test_the_user_menu_opens_and_closes(visit: Visit) -> None:
    window = visit("Marketer")
    window.open("/hitview/list/")
    summary = window.page.locator(".person summary")
    summary.press("Enter")
    window.page.keyboard.press("Tab")
    expect(window.page.get_by_role("link", name="个人资料")).to_be_focused()
    window.page.keyboard.press("Escape")
    expect(summary).to_be_focused()
    expect(window.page.get_by_role("link", name=re.compile("个人资料"))).not_to_be_visible()


def test_a_form_is_filled_and_sent_by_keyboard(visit: Visit) -> None:
    window = visit("Admin")
    page, keys = window.page, window.page.keyboard
    window.open("/institutionview/add")
    page.get_by_label("编码").focus()
    keys.type("K-1")
    keys.press("Tab")
    keys.type("键盘机构")
    keys.press("Enter")
    expect(page.locator(".toast-good")).to_contain_text("已保存")
    expect(window.row("键盘机构")).to_have_count(1)


def test_the_completeness_calendar_is_one_stop_with_arrow_keys(visit: Visit) -> None:
    window = visit("DataOperator")
    page = window.page
    window.open("/completenessview/list/")
    links = page.locator("td a")
    expect(page.locator("td a[tabindex='0']")).to_have_count(1)
    links.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert "机构一" in focused
    assert "偏少" in focused
    page.keyboard.press("ArrowRight")
    assert "1,200" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ingestfileview/list/?_flt_0_day=*")
