"""The bell counts reminders while a page is open; its drop-down reads, marks and opens them."""

from __future__ import annotations

from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Reminder, Staff
from tests.access.push_world import reminder_for
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import PHONE


def test_reminders_are_read_from_the_bell(visit: Visit, session: Session, world: World) -> None:
    window = visit("Manager")
    page = window.page
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/reminderview/" in request.url else None)
    window.open("/hitview/list/")
    bell, sheet = page.locator("#bell"), page.locator("#rings")
    expect(bell).to_have_text("提醒，0 条未读")
    assert asked == [], "the badge comes with the page"
    me = session.scalars(select(Staff.id).where(Staff.username == "me")).one()
    first = session.get_one(Reminder, reminder_for(session, me))
    session.add(
        Reminder(person_id=me, source="other", kind="hits", message=first.message, values=first.values)
    )
    session.commit()
    page.clock.fast_forward(61_000)
    expect(bell.locator(".badge")).to_have_text("2")
    bell.press("Enter")
    expect(sheet.get_by_role("listitem")).to_have_count(2)
    # htmx sees to what it put into the page a moment later
    expect(page.locator(".htmx-added, .htmx-settling")).to_have_count(0)
    sheet.get_by_role("button", name="标为已读: ").first.press("Enter")
    expect(bell).to_contain_text("提醒，1 条未读")
    expect(sheet.locator(".unread")).to_have_count(1)
    window.resize(PHONE)
    expect(sheet).to_be_in_viewport(ratio=1)
    sheet.get_by_role("button", name="每日推送").last.click()
    page.wait_for_url("**/hitview/list/")
    bell.click()
    expect(sheet.get_by_role("button", name="全部标为已读")).to_have_count(0)
    expect(bell).to_contain_text("提醒，0 条未读")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(bell).to_be_focused()
