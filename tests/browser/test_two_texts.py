"""Two templates in one batch, from ticked hits to the comparison of their results."""

from __future__ import annotations

import datetime as dt
import re

from flask import Flask
from playwright.sync_api import expect
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.models import OutreachTemplate, OutreachTemplateVersion, SandboxMessage
from app.outreach import results
from tests import clock
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.outreach.conftest import Bank


def test_two_templates_are_compared(app: Flask, session: Session, world: World, visit: Visit) -> None:
    bank = Bank(app, session, world)
    version = OutreachTemplateVersion(number=1, body="{name}，新额度已备好。", created_by="x")
    session.add(OutreachTemplate(channel="sms", name="第二个模板", created_by="x", versions=[version]))
    bank.people(18, grade="A")
    window = visit("Manager")
    page = window.page
    window.open("/hitview/list/?_flt_1_grade=A")
    page.get_by_label("选择本页全部").check()
    page.get_by_role("region", name="已选记录").get_by_role("button", name="批量发送短信").click()
    page.get_by_label("模板", exact=True).select_option(label="模板 sms")
    page.get_by_label("第二个模板，用于对比").select_option(label="模板 sms")
    page.get_by_role("button", name="发送前检查").click()
    expect(page.locator("#template_b-error")).to_have_text("请选择与第一个不同的模板。")
    page.get_by_label("第二个模板，用于对比").select_option(label="第二个模板")
    page.get_by_label("第二个模板占比").fill("40")
    page.get_by_role("button", name="发送前检查").click()
    expect(page).to_have_url(re.compile("/outreachbatchview/show/"))
    expect(page.locator(".outreach-text")).to_have_count(2)
    expect(page.locator(".outreach-texts h3").last).to_have_text("模板 B（40%） · 第二个模板 v1")
    page.get_by_role("link", name="确认发送").click()
    expect(page.locator(".confirm-figures")).to_contain_text("¥0.90")
    page.get_by_role("button", name="确认发送").click()
    expect(page.locator(".toast-good")).to_contain_text("正在后台发送")
    bank.send()
    page.reload()
    comparison = page.locator("#comparison")
    expect(comparison.locator(".verdict").first).to_contain_text("回执尚未返回")
    session.execute(update(SandboxMessage).values(answers=[[1, "answered"]]))
    session.commit()
    with app.app_context():
        results.record_sandbox_outcomes(clock.now() + dt.timedelta(hours=1))
    page.reload()
    expect(comparison.locator(".verdict").first).to_contain_text("暂时看不出差别")
    of_b = comparison.locator("tbody tr").first.locator("td").nth(1).inner_text()
    page.get_by_role("link", name="全部明细").click()
    window.choose("模板 A / B", "模板 B")
    expect(window.rows).to_have_count(int(of_b.split("/")[1].split("=")[0]))
    expect(window.rows.first).to_contain_text("第二个模板 v1")
