"""A revealed phone number: requested in a dialog, shown for a while, hidden again."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import WIDTHS


@WIDTHS
def test_a_number_is_shown_for_half_a_minute(width: int, visit: Visit, world: World) -> None:
    window = visit("Marketer", width=width)
    page = window.page
    page.clock.install()
    window.open(f"/leadview/show/{world.ids['lead_home']}")
    number = page.locator("[data-phone]")
    expect(number).to_have_text("138****0001")
    page.get_by_role("button", name="其他原因").click()
    window.dialog.get_by_label("原因").fill("客户要求回电")
    window.dialog.get_by_role("button", name="查看", exact=True).click()
    expect(number).to_have_text("13800000001")
    expect(window.dialog).to_be_hidden()
    assert "13800000001" not in page.url
    page.clock.run_for(31_000)
    expect(number).to_have_text("138****0001")


def test_without_a_reason_the_dialog_stays_open_with_an_error(visit: Visit, world: World) -> None:
    window = visit("Manager")
    page = window.page
    address = f"/leadview/reveal/{world.ids['lead_home']}"
    window.refusals.add(window.base + address)
    window.open(f"/leadview/show/{world.ids['lead_home']}")
    page.get_by_role("button", name="其他原因").click()
    window.dialog.get_by_role("button", name="查看", exact=True).click()
    expect(window.dialog).to_be_visible()
    window.dialog.get_by_label("原因").fill("        ")
    window.dialog.get_by_role("button", name="查看", exact=True).click()
    expect(window.dialog.get_by_role("alert")).to_contain_text("4")
    expect(page.locator("[data-phone]")).to_have_text("138****0001")
