"""A password link, from the administrator's button to the owner's log-in."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from sqlalchemy.orm import Session

from tests.access.world import World
from tests.browser.conftest import Visit
from tests.conftest import make_staff
from tests.postbox import Postbox

OWN = "Chosen-By-owner-2027"


def test_a_password_is_chosen_through_a_mailed_link(
    world: World, visit: Visit, session: Session, postbox: Postbox
) -> None:
    admin, owner = visit("Admin"), visit("")
    person = make_staff(session, "owner", "Manager", language="en")
    admin.open(f"/users/show/{person.id}")
    admin.page.get_by_role("button", name="邮件发送设置密码的链接").click()
    admin.dialog.get_by_role("button", name="邮件发送设置密码的链接").click()
    expect(admin.page.locator(".toast-good")).to_contain_text("owner@example.com")
    text = postbox.mails[0].get_body(("plain",)).get_content()
    assert "Choose a password" in text, "in the owner's language"
    [path] = re.findall(r"https://lm\.bank\.example(/password/choose#\S+)", text)
    owner.open(path)
    page = owner.page
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Choose your password")).to_be_visible()
    page.get_by_label("New password").fill(OWN)
    page.get_by_label("Repeat password").fill(OWN)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your password is set. Log in with it.")).to_be_visible()
    page.get_by_label("User name").fill("owner")
    page.get_by_label("Password").fill(OWN)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("link", name="High-potential customers").first).to_be_visible()
