"""The life cycle of a rule: created, rejected, approved, changed, rolled back, paused, retired."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Rule
from tests.browser.conftest import Visit
from tests.browser.window import Window


def edit(window: Window, value: str) -> None:
    """Change the first threshold in the editor and save the draft."""
    expect(window.page.locator("#meaning")).to_contain_text("冷却")
    window.page.get_by_label("阈值").first.fill(value)
    window.page.get_by_role("button", name=re.compile("^保存")).click()
    expect(window.page.locator(".toast-good")).to_contain_text("已保存")


def submit(window: Window, word: str = "提交审批") -> str:
    """Submit the version on the page. Return the path of the request."""
    window.page.get_by_role("link", name=word, exact=True).click()
    window.page.get_by_label("原因").fill("依据回测结果")
    window.page.get_by_role("button", name="提交审批").click()
    expect(window.page.locator(".toast-good")).to_contain_text("等待他人审批")
    return window.page.url.removeprefix(window.base)


def decide(window: Window, path: str, word: str, note: str = "") -> None:
    """Approve or reject the request."""
    window.open(path)
    window.page.get_by_role("link", name=word, exact=True).click()
    window.page.locator("[name=note]").fill(note)
    window.page.get_by_role("button", name=word, exact=True).click()
    expect(window.page.locator(".toast-good")).to_be_visible()


def test_the_life_cycle_of_a_rule(visit: Visit, session: Session) -> None:
    maker, checker = visit("Manager"), visit("Admin")
    maker.open("/ruleview/add")
    maker.page.get_by_label("编码").fill("R-LIFE")
    maker.page.get_by_label("名称").fill("一生")
    edit(maker, "3")
    request = submit(maker)
    expect(maker.page.get_by_role("link", name="批准", exact=True)).to_have_count(0)
    decide(checker, request, "驳回", "门槛太低")
    maker.open(request)
    expect(maker.page.locator("main")).to_contain_text("门槛太低")
    rule = session.scalars(select(Rule).where(Rule.code == "R-LIFE")).one()
    page = f"/ruleview/show/{rule.id}"
    maker.open(page)
    maker.page.get_by_role("button", name="新建草稿").click()
    edit(maker, "5")
    decide(checker, submit(maker), "批准")
    maker.open(page)
    expect(maker.page.locator(".facts")).to_contain_text("≥ 5")
    maker.page.get_by_role("button", name="新建草稿").click()
    edit(maker, "6")
    request = submit(maker)
    checker.open(request)
    expect(checker.page.locator(".changes del")).to_contain_text("≥ 5")
    expect(checker.page.locator(".changes ins")).to_contain_text("≥ 6")
    decide(checker, request, "批准")
    maker.open(page)
    maker.row("R-LIFE v1").or_(maker.row("≥ 5")).first.get_by_role("link").first.click()
    decide(checker, submit(maker, "回退到此版本"), "批准")
    maker.open(page)
    expect(maker.page.locator(".facts")).to_contain_text("≥ 5")
    for word, status in (("暂停", "paused"), ("恢复", "active"), ("停用", "retired")):
        maker.page.get_by_role("button", name=word, exact=True).click()
        maker.dialog.get_by_role("button", name=word, exact=True).click()
        expect(maker.page.locator(f".facts .tag-version-{status}")).to_be_visible()
