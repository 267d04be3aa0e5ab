"""An administrator sets up a webhook target, corrects its address, and sends a test."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.push.conftest import *  # noqa: F403 - fixtures
from tests.push.conftest import Bank
from tests.push.receiver import Receiver


def test_a_webhook_is_set_up_and_tested(visit: Visit, bank: Bank, receiver: Receiver) -> None:
    window = visit("Admin")
    page = window.page
    window.open("/targetview/list/")
    page.get_by_role("link", name="新增网络回调（Webhook）").click()
    page.get_by_label("编码").fill("crm-2")
    page.get_by_label("名称").fill("新客户系统")
    page.get_by_label("地址").fill("crm.example.com/hooks")
    page.get_by_role("button", name="保存").click()
    expect(page.locator(".error")).to_have_text("这不是可用的 Webhook 地址：地址须以 https:// 开头")
    expect(page.get_by_label("编码")).to_have_value("crm-2")
    page.get_by_label("地址").fill("https://crm.example.com/hooks")
    page.get_by_role("button", name="保存").click()
    expect(page.locator(".error")).to_have_text(
        "无法向该地址发送：主机 crm.example.com 不在允许名单 WEBHOOK_ALLOW 中"
    )
    page.get_by_label("地址").fill(receiver.url)
    page.get_by_role("button", name="保存").click()
    page.get_by_role("button", name="生成新密钥").click()
    [receiver.secret] = re.findall(r"whsec_[A-Za-z0-9+/=]{44}", page.content())
    page.get_by_role("link", name=re.compile("已复制")).click()

    page.get_by_role("button", name="发送测试").click()
    window.dialog.get_by_role("button", name="发送测试").click()
    expect(page.locator(".toast-good")).to_contain_text('200 {"ok": true}')
    [body] = receiver.accepted.values()
    assert body["test"] is True
