"""The second factor in the browser: an authenticator app, and a security key by Chromium's virtual one."""

from __future__ import annotations

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests import clock
from tests.access.world import World
from tests.browser.window import DESK, Window, screen
from tests.conftest import PASSWORD, make_staff


@pytest.fixture
def window(browser: Browser, base: str, world: World, session: Session) -> Window:
    """A window of somebody who logs in by the form, at a host name, which security keys need."""
    make_staff(session, "boss", "Admin", language="zh")
    place = base.replace("127.0.0.1", "localhost")
    context = browser.new_context(viewport=screen(DESK), locale="zh-CN", base_url=place)
    return Window(context, place)


def log_in(window: Window) -> None:
    page = window.page
    window.open("/login/")
    page.get_by_label("用户名").fill("boss")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()


def log_out(page: Page) -> None:
    page.locator(".person summary").click()
    page.get_by_role("button", name="退出登录").click()
    expect(page.get_by_label("密码")).to_be_visible()


def plug_in(context: BrowserContext, page: Page) -> None:
    """Add Chromium's virtual security key to a window."""
    protocol = context.new_cdp_session(page)
    protocol.send("WebAuthn.enable")
    key = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    protocol.send("WebAuthn.addVirtualAuthenticator", {"options": key})


def let_minutes_pass(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE login_session SET verified_at = now() - interval '11 minutes'"))


def test_an_app_is_added_and_its_code_asked_for(window: Window, engine: Engine) -> None:
    page = window.page
    log_in(window)
    window.open("/secondfactor/add")
    picture = page.get_by_role("img", name="二维码")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth > 100")
    secret = page.locator(".factor-secret code").inner_text().replace(" ", "")
    page.get_by_label("验证码").fill(pyotp.TOTP(secret).at(clock.now()))
    page.get_by_role("button", name="新增").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    page.get_by_role("link", name="我已妥善保管").click()
    expect(window.row("我的手机")).to_be_visible()
    with engine.begin() as connection:
        connection.execute(text("UPDATE second_factor SET last_step = last_step - 9"))
    log_out(page)
    log_in(window)
    page.get_by_label("验证码").fill(pyotp.TOTP(secret).at(clock.now()))
    page.get_by_role("button", name="确认").click()
    expect(page.locator(".person")).to_be_visible()
    assert not window.faults, window.faults
    window.context.close()


def test_a_security_key_is_added_used_after_the_log_in_and_for_a_grave_act(
    app: Flask, window: Window, engine: Engine
) -> None:
    page = window.page
    plug_in(window.context, page)
    log_in(window)
    window.open("/secondfactor/")
    page.get_by_role("button", name="添加安全密钥").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    page.get_by_role("link", name="我已妥善保管").click()
    expect(window.row("安全密钥")).to_be_visible()
    log_out(page)
    log_in(window)
    page.get_by_role("button", name="使用安全密钥").click()
    expect(page.locator(".person")).to_be_visible()
    window.open("/apikeyview/create")
    page.get_by_label("系统名称").fill("crm")
    page.get_by_label("申请原因").fill("数据仓库")
    let_minutes_pass(engine)
    page.get_by_role("button", name="生成密钥").click()
    expect(page.get_by_role("heading", name="验证身份")).to_be_visible()
    page.get_by_role("button", name="使用安全密钥").click()
    expect(page.get_by_text("crm").first).to_be_visible()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM ab_api_key WHERE name = 'crm'")) == 1
        kinds = connection.scalars(text("SELECT kind FROM change_log WHERE kind LIKE 'second%' ORDER BY id"))
        assert list(kinds) == ["second_factor_added", "second_factor_proven", "second_factor_proven"]
    assert not window.faults, window.faults
    window.context.close()
