"""The bell counts reminders while a page is open, and a reminder opens its object."""

from __future__ import annotations

from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Staff
from tests.access.push_world import reminder_for
from tests.access.world import World
from tests.browser.conftest import Visit


def test_a_reminder_appears_on_an_open_page_and_is_read(visit: Visit, session: Session, world: World) -> None:
    window = visit("Manager")
    window.page.clock.install()
    window.open("/hitview/list/")
    bell = window.page.get_by_role("link", name="提醒，0 条未读")
    expect(bell).to_be_visible()
    reminder_for(session, session.scalars(select(Staff.id).where(Staff.username == "me")).one())
    window.page.clock.fast_forward(61_000)
    ringing = window.page.get_by_role("link", name="提醒，1 条未读")
    expect(ringing.locator(".badge")).to_have_text("1")
    ringing.click()
    window.row("每日推送").get_by_role("button", name="查看").click()
    window.page.wait_for_url("**/hitview/list/")
    expect(window.page.get_by_role("link", name="提醒，0 条未读")).to_be_visible()
