"""Dates are typed in usual ways or chosen in a calendar of ours, and files by a button of ours."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.window import DESK, PHONE


def test_a_date_is_typed_or_chosen(visit: Visit) -> None:
    window = visit("Manager")
    page = window.page
    window.open("/effectview/list/?first=2026-10-03&last=2026-10-20")
    first = page.get_by_label("命中日期 从")
    first.press("ArrowDown")
    calendar = page.get_by_role("dialog", name="日历")
    expect(calendar.get_by_role("button", name="10月3日")).to_be_focused()
    expect(calendar.get_by_role("combobox", name="年份")).to_have_value("2026")
    page.keyboard.press("ArrowRight")
    expect(calendar.get_by_role("button", name="10月4日")).to_be_focused()
    page.keyboard.press("Enter")
    expect(calendar).to_be_hidden()
    expect(first).to_have_value("2026-10-04")
    expect(first).to_be_focused()
    first.fill("2026年9月31日")
    first.press("Tab")
    expect(page.get_by_role("alert").filter(has_text="有效日期")).to_be_visible()
    first.fill("20260901")
    first.press("Tab")
    expect(first).to_have_value("2026-09-01")
    expect(page.locator(".date-fault")).to_have_count(0)
    window.resize(PHONE)
    page.locator(".date-open").last.click()
    expect(calendar).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    expect(calendar).to_be_hidden()
    window.resize(DESK)
    with page.expect_navigation():
        page.get_by_role("button", name="查看").click()
    assert "first=2026-09-01&last=2026-10-20" in page.url


def test_a_file_is_chosen_by_a_button_in_the_language_of_the_page(visit: Visit, tmp_path: Path) -> None:
    window = visit("Manager")
    window.open("/holidayview/upload")
    file = window.page.locator(".file")
    expect(file).to_contain_text("选择文件")
    path = tmp_path / "节假日.csv"
    path.write_text("date,kind,name\n")
    with window.page.expect_file_chooser() as chooser:
        file.click()
    chooser.value.set_files(path)
    expect(file.locator(".file-names")).to_have_text("节假日.csv")
