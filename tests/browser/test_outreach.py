"""One walk of a manager: from a segment to a scheduled batch, by preview and a test SMS."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from flask import Flask
from playwright.sync_api import Route, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import OutreachBatch, OutreachTemplate, OutreachTemplateVersion, OutreachTest, Segment
from tests import clock
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.outreach.conftest import Bank

LONG = "{name}，新额度已备好。" + "好" * 70


def test_from_a_segment_to_a_scheduled_batch(
    app: Flask, session: Session, world: World, visit: Visit
) -> None:
    bank = Bank(app, session, world)
    bank.people(3)
    version = OutreachTemplateVersion(number=1, body=LONG, created_by="x")
    session.add(OutreachTemplate(channel="sms", name="长文案", created_by="x", versions=[version]))
    session.add(Segment(name="在册", code="SG-1", owner="me", definition={"statuses": ["active"]}))
    session.commit()
    window = visit("Manager")
    page = window.page
    window.open("/segmentview/list/")
    page.get_by_role("link", name="在册").first.click()
    page.get_by_role("link", name="批量发送短信").click()

    preview = page.get_by_role("region", name="预览")
    expect(preview).to_contain_text("1 / ")
    first = preview.locator("[data-who]").inner_text()
    preview.get_by_role("button", name="下一位示例").click()
    expect(preview.locator("[data-who]")).not_to_have_text(first)
    expect(preview).to_contain_text("计 1 条短信")
    page.get_by_label("模板", exact=True).select_option(label="长文案")
    expect(preview).to_contain_text("计 2 条短信（UCS-2） · 每位客户 ¥0.10")
    expect(page.get_by_label("活动名称")).to_have_value(f"长文案 {clock.today()}")
    page.get_by_label("活动名称").fill("年末活动")

    with page.expect_popup() as opened:
        preview.get_by_role("link", name="填写我的手机号").click()
    profile = opened.value
    profile.get_by_label("我的手机号").fill("13912345678")
    profile.get_by_role("button", name="保存").click()
    expect(profile.locator(".toast-good")).to_be_visible()
    profile.close()
    page.reload()
    page.get_by_label("模板", exact=True).select_option(label="长文案")
    page.get_by_label("活动名称").fill("年末活动")
    preview.get_by_role("button", name=re.compile("发测试短信到我的手机 139")).click()
    expect(preview.get_by_role("status")).to_contain_text("费用 ¥0.10")
    session.rollback()
    assert session.scalars(select(OutreachTest.segments)).all() == [2]

    day = clock.today() + dt.timedelta(days=2)
    page.get_by_label("日期", exact=True).fill(str(day))
    page.get_by_label("时段", exact=True).fill("10:00")
    expect(page.get_by_label("定时开始")).to_be_checked()
    page.get_by_role("button", name="发送前检查").click()
    page.get_by_role("link", name="确认发送").click()
    expect(page.locator("main")).to_contain_text("将收到短信")
    page.get_by_role("button", name="确认发送").click()
    expect(page.locator(".toast-good")).to_contain_text(f"将于 {day} 10:00 开始")
    session.rollback()
    batch = session.scalars(select(OutreachBatch).where(OutreachBatch.name == "年末活动")).one()
    assert batch.waits_for == "time"


def test_variables_are_inserted_at_the_cursor_and_counted(
    session: Session, world: World, visit: Visit
) -> None:
    window = visit("Manager")
    page = window.page
    window.open("/outreachtemplateview/add")
    text, preview = page.get_by_label("内容"), page.get_by_role("region", name="预览")
    expect(preview).to_contain_text("1 / ")
    text.fill("尊敬的先生")
    text.press("ArrowLeft")
    text.press("ArrowLeft")
    page.get_by_role("button", name="客户姓氏").click()
    expect(text).to_have_value("尊敬的{surname}先生")
    expect(preview.locator(".outreach-text")).to_contain_text("尊敬的客先生拒收请回复R")
    page.get_by_label("渠道").select_option("call")
    expect(preview).to_contain_text("通读约 2 秒")
    expect(preview.get_by_role("link", name="填写我的手机号")).to_be_hidden()


@pytest.mark.usefixtures("world")
def test_nothing_is_counted_before_the_example_is_there(visit: Visit) -> None:
    window = visit("Manager")
    page = window.page
    held: list[Route] = []
    page.route("**/example/**", lambda route: held.append(route))
    with page.expect_request("**/example/**"):
        window.open("/outreachtemplateview/add")
    preview = page.get_by_role("region", name="预览")
    page.get_by_label("内容").fill("尊敬的{surname}先生")
    expect(preview.locator(".outreach-text")).to_contain_text("尊敬的〔客户姓氏〕先生")
    expect(preview).not_to_contain_text("条短信（")
    assert held, "the example is on its way"
    for route in held:
        route.continue_()
    expect(preview).to_contain_text("计 1 条短信（")
