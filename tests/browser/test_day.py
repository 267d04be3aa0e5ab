"""A working day of a manager and of a marketer, from new hits to a conversion."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest
from flask import Flask
from playwright.sync_api import Locator, expect
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.hits import due
from app.leads import suppression
from app.models import Customer, Hit, HitStatus, Lead, OutreachSetting, SandboxMessage, Staff
from app.outreach import results, sending
from tests import clock
from tests.access.push_world import reminder_for
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.test_chart import BLUE
from tests.browser.window import PHONE, Hand, Window

ANY_TIME = {"open_from": "00:00", "open_to": "24:00", "skip_holidays": False}


class Worker:
    """The background work, run on demand."""

    def __init__(self, app: Flask, session: Session) -> None:
        self._app, self._session = app, session

    def send(self) -> None:
        """Send confirmed batches."""
        with self._app.app_context():
            sending.work()

    def answer(self, outcome: str) -> None:
        """Play the simulated answers of customers."""
        self._session.execute(update(SandboxMessage).values(answers=[[1, outcome]]))
        self._session.commit()
        with self._app.app_context():
            results.record_sandbox_outcomes(clock.now() + dt.timedelta(hours=1))

    def escalate(self) -> None:
        """Escalate overdue hits."""
        with self._app.app_context():
            due.escalate(clock.now())


@pytest.fixture
def worker(app: Flask, session: Session, world: World) -> Worker:
    """Return the workers of a bank with contact hours all day and approval for more than one contact."""
    session.execute(update(OutreachSetting).values(values=ANY_TIME | {"approval_above": 1}))
    session.commit()
    return Worker(app, session)


def card(window: Window, name: str) -> Locator:
    """Return the card of a figure."""
    return window.page.locator(".figure", has=window.page.get_by_role("heading", name=name, exact=True))


def figure(window: Window, name: str) -> str:
    return card(window, name).locator("b").inner_text()


def funnel(window: Window) -> list[int]:
    """Return the stages of the funnel in the workspace: hits, pushed, contacted, answered, converted."""
    if not window.page.locator(".desk-more").get_attribute("open"):
        window.page.get_by_text("转化漏斗、指标、等级与机构").click()
    data = window.page.get_by_role("img", name="转化漏斗").get_attribute("data-chart")
    return list(json.loads(data or "")["y"])


def press(window: Window, role: str, name: str) -> None:
    window.page.get_by_role(role, name=name, exact=True).click()  # type: ignore[arg-type]


def expect_toast(window: Window, text: str) -> None:
    expect(window.page.locator(".toast-good")).to_contain_text(text)


def approve(window: Window) -> None:
    """Approve the request on the page."""
    press(window, "link", "批准")
    press(window, "button", "批准")
    expect_toast(window, "已批准")


def start_sms(window: Window) -> None:
    """Choose a template and go to the checked batch."""
    window.page.locator("[name=template]").select_option(label="短信模板")
    press(window, "button", "发送前检查")
    expect(window.page).to_have_url(re.compile("/outreachbatchview/show/"))


def test_a_managers_day(session: Session, world: World, visit: Visit, worker: Worker) -> None:
    boss, second = visit("Manager"), visit("Manager")
    reminder_for(session, session.scalars(select(Staff.id).where(Staff.username == "me")).one())
    lead = session.get_one(Lead, world.ids["lead_away"])
    target = suppression.hash_target(lead.id_hash)
    suppression.add(session, target, reason="投诉", user="x", today=clock.today())
    session.commit()

    # In the morning: the bell, the figures, and the list behind one of them.
    boss.open("/")
    expect(boss.page.locator("#bell")).to_contain_text("提醒，1 条未读")
    assert (figure(boss, "命中总数"), funnel(boss)) == ("9", [9, 1, 0, 0, 1])
    boss.page.get_by_role("link", name="待营销处理").first.click()
    expect(boss.rows).to_have_count(3)

    # A hit is assigned; an overdue one is escalated.
    boss.row("SUB").get_by_role("checkbox").check()
    press(boss, "button", "分配给")
    boss.dialog.get_by_role("combobox").select_option(str(world.ids["worker"]))
    boss.dialog.get_by_role("button", name="分配给").click()
    expect_toast(boss, "已分配 1 位客户")
    forgotten = session.get_one(Customer, world.ids["lead_home"])
    forgotten.owner_id, forgotten.next_on = world.ids["worker"], clock.today() - dt.timedelta(days=9)
    session.commit()
    worker.escalate()
    boss.open("/myworkview/list/")
    expect(boss.page.get_by_role("link", name="已升级")).to_have_attribute("aria-current", "page")
    expect(boss.rows).to_have_count(1)
    expect(boss.rows).to_contain_text("人工")

    # A rule waits for approval.
    boss.open(f"/approvalview/show/{world.ids['approval']}")
    approve(boss)

    # From the home: customers are ticked in its list and written to, which a second person must approve.
    hand = Hand(boss)
    boss.open("/")
    hand.click(boss.page.get_by_label("选择本页全部"))
    hand.press("button", "批量发送短信")
    hand.choose(boss.page.locator("[name=template]"), "短信模板")
    hand.press("button", "发送前检查")
    expect(boss.page).to_have_url(re.compile("/outreachbatchview/show/"))
    batch = boss.page.url.removeprefix(boss.base)
    counts = boss.page.locator(".outreach-counts")
    expect(counts.locator("tr", has_text="待发送").locator(".number")).to_have_text("2")
    hand.press("link", "提交审批")
    hand.fill("用途说明", "季度回馈")
    hand.press("button", "提交审批")
    expect_toast(boss, "须由另一人审批")
    assert hand.actions <= 7
    worker.send()

    # The other manager finds the request by the badge of the menu.
    hand = Hand(second)
    second.open("/")
    hand.click(second.page.locator(".side").get_by_role("link", name=re.compile("^审批")))
    hand.click(second.row("短信模板").get_by_role("link").first)
    hand.press("link", "批准")
    hand.press("button", "批准")
    expect_toast(second, "已批准")
    assert hand.actions <= 4
    worker.send()
    worker.answer("interested")
    boss.open(batch)
    expect(counts.locator("tr", has_text="有意向").locator(".number")).to_have_text("2")
    boss.open("/")
    assert (figure(boss, "待营销处理"), funnel(boss)) == ("1", [9, 2, 2, 2, 1])


def test_a_marketers_day_and_the_managers_numbers(
    session: Session, world: World, visit: Visit, worker: Worker
) -> None:
    hit = session.get_one(Hit, world.ids["hit_home_waiting"])
    # One of the figures is about the hits of this month.
    hit.hit_date = max(clock.today() - dt.timedelta(days=1), clock.today().replace(day=1))
    session.get_one(Hit, world.ids["hit_home_in_progress"]).status = HitStatus.FAILED
    session.commit()
    window, manager = visit("Marketer"), visit("Manager", width=PHONE)
    manager.open("/")
    expect(manager.page).to_have_url("/workspaceview/list/")
    assert (figure(manager, "命中总数"), figure(manager, "待营销处理")) == ("9", "3")
    assert funnel(manager) == [9, 1, 0, 0, 1]

    # The home says what waits. Who is free is claimed, and the queue of the day leads to them.
    window.open("/workspaceview/list/")
    assert (figure(window, "命中总数"), figure(window, "待营销处理")) == ("6", "2")
    window.open("/")
    expect(window.page).to_have_url("/myworkview/list/")
    assert [figure(window, name) for name in ("待回电", "已认领未开始", "待认领")] == ["0", "0", "2"]
    card(window, "待认领").get_by_role("link").click()
    window.rows.filter(has_not_text="SUB").get_by_role("button", name="认领").click()
    expect_toast(window, "已认领 1 位客户")
    window.open("/")
    assert [figure(window, name) for name in ("已认领未开始", "待认领")] == ["1", "1"]
    press(window, "button", "开始今日队列（1 位客户）")
    expect(window.page).to_have_url(re.compile(rf"/customerview/show/{hit.lead_id}\?queue="))

    # An SMS to this customer, who is interested; then a call.
    window.open(f"/hitview/show/{hit.id}")
    press(window, "link", "发送短信")
    start_sms(window)
    press(window, "link", "确认发送")
    press(window, "button", "确认发送")
    expect_toast(window, "正在后台发送")
    worker.send()
    worker.answer("interested")
    press(window, "link", "返回命中")
    expect(window.page.locator(".history-follow_up .history-note")).to_have_text("有意向")
    expect(window.page.locator(".history-contact .tag").first).to_have_text("有意向")
    window.page.get_by_role("button", name="其他原因").click()
    window.dialog.get_by_role("textbox", name="原因").fill("首次电话联系")
    window.dialog.get_by_role("button", name="查看", exact=True).click()
    expect(window.page.locator("[data-phone]")).to_have_text("13800000001")
    tomorrow = clock.today() + dt.timedelta(days=1)
    window.page.get_by_label("沟通情况").fill("有意向，约明日答复")
    window.page.get_by_label("下次联系").fill(str(tomorrow))
    press(window, "button", "保存跟进")
    expect(window.page.locator(".pane-facts")).to_contain_text(str(tomorrow))

    # The conversion, and its effect on the manager's figures.
    window.page.get_by_text("营销已转化", exact=True).click()
    window.page.get_by_label("金额").fill("80000")
    window.page.get_by_label("产品").select_option(label="消费贷")
    press(window, "button", "标记转化")
    expect(window.page.locator(".history-convert")).to_be_visible()
    window.open("/workspaceview/list/")
    assert figure(window, "待营销处理") == "1"
    manager.page.reload()
    assert (figure(manager, "命中总数"), figure(manager, "待营销处理")) == ("9", "2")
    assert funnel(manager) == [9, 1, 1, 1, 1]
    manager.page.get_by_text("共标记 1，系统确认 0", exact=True).click()
    expect(manager.rows).to_have_count(1)
    expect(manager.rows).to_contain_text("L1001")


def test_a_bar_opens_its_hits(world: World, visit: Visit) -> None:
    window = visit("Manager")
    window.open("/workspaceview/list/")
    window.page.get_by_text("转化漏斗、指标、等级与机构").click()
    chart = window.page.get_by_role("img", name="转化漏斗")
    bar = chart.locator(f"path[fill='{BLUE}']").nth(1)
    bar.click()
    expect(window.page).to_have_url("/hitview/list/?_flt_0_reach=pushed")
    expect(window.rows).to_have_count(1)
