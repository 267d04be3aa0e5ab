"""A marketer's work on the hits of their own branch."""

from __future__ import annotations

import csv

from playwright.sync_api import expect
from sqlalchemy.orm import Session

from app.models import Hit
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import WIDTHS

WAITING = "/hitview/list/?_flt_1_status=waiting"


def status(session: Session, world: World, name: str) -> str:
    session.expire_all()
    return session.get_one(Hit, world.ids[name]).status


@WIDTHS
def test_a_hit_is_converted(session: Session, world: World, visit: Visit, width: int) -> None:
    window = visit("Marketer", width=width)
    window.open(WAITING)
    window.rows.filter(has_not_text="SUB").get_by_role("button", name="单独联系").click()
    expect(window.page.locator(".toast-good")).to_be_visible()
    expect(window.page).to_have_url(f"/hitview/show/{world.ids['hit_home_waiting']}#contact")
    assert status(session, world, "hit_home_waiting") == "in_progress"
    expect(window.page.get_by_role("button", name="单独联系")).to_have_count(0)

    window.page.get_by_label("沟通情况").fill("约周五面谈")
    window.page.get_by_role("button", name="保存跟进").click()
    expect(window.page.locator(".history")).to_contain_text("约周五面谈")
    window.page.get_by_text("营销已转化", exact=True).click()
    window.page.get_by_label("金额").fill("50000")
    window.page.get_by_label("产品").select_option(label="消费贷")
    window.page.get_by_role("button", name="标记转化").click()
    expect(window.page.locator(".facts .tag-hit-converted")).to_have_text("营销已转化")
    expect(window.page.locator(".pane-facts")).to_contain_text("50,000.00 元")
    assert status(session, world, "hit_home_waiting") == "converted"


def test_closing_ticked_hits_warns_of_those_who_have_bought(
    session: Session, world: World, visit: Visit
) -> None:
    session.get_one(Hit, world.ids["hit_home_waiting"]).converted = True
    session.commit()
    window = visit("Manager")
    warning = window.dialog.locator("[data-warning]")
    for path in ("/hitview/list/?_flt_0_state=all", "/customerview/list/?_flt_0_state=all"):
        window.open(path)
        window.rows.filter(has_text="AWAY").first.get_by_role("checkbox").check()
        window.page.get_by_role("button", name="关闭命中").click()
        expect(warning).to_be_hidden()
        window.dialog.get_by_role("button", name="取消").click()
        window.page.get_by_label("选择本页全部").check()
        window.page.get_by_role("button", name="关闭命中").click()
        expect(warning).to_have_text("所选记录中有 1 项经业务系统确认已转化。只关闭确实未转化的命中。")


def test_a_closed_hit_is_reactivated(session: Session, world: World, visit: Visit) -> None:
    window = visit("Marketer")
    window.open(f"/hitview/show/{world.ids['hit_home_failed']}")
    window.page.get_by_role("button", name="再次激活").click()
    expect(window.page.locator(".facts .tag-hit-waiting")).to_have_text("待营销处理")
    assert status(session, world, "hit_home_failed") == "waiting"


@WIDTHS
def test_several_hits_are_claimed_at_once(session: Session, world: World, visit: Visit, width: int) -> None:
    window = visit("Marketer", width=width)
    window.open(WAITING)
    bar = window.page.get_by_role("region", name="已选记录")
    for box in window.rows.get_by_role("checkbox").all():
        box.check()
    expect(bar).to_contain_text("已选 2 项")
    expect(bar.get_by_role("button", name="单独联系")).to_have_count(0)
    bar.get_by_role("button", name="认领").click()
    expect(window.rows.get_by_role("button", name="单独联系")).to_have_count(2)
    expect(window.rows.get_by_role("button", name="认领")).to_have_count(0)
    session.expire_all()
    hits = [session.get_one(Hit, world.ids[f"hit_{branch}_waiting"]) for branch in ("home", "sub", "away")]
    assert [hit.owner_id is None for hit in hits] == [False, False, True]


def test_ticked_hits_are_exported_masked(visit: Visit) -> None:
    window = visit("Marketer")
    window.open(WAITING)
    window.page.get_by_label("选择本页全部").check()
    with window.page.expect_download() as download:
        window.page.get_by_role("region", name="已选记录").get_by_role("button", name="导出").click()
    rows = list(csv.reader(download.value.path().read_text(encoding="utf-8-sig").splitlines()))
    # The first row states who exported them and when, the second names the columns.
    assert len(rows) == 4
    assert "1380000000" not in str(rows)


def test_only_the_own_branch_is_visible(world: World, visit: Visit) -> None:
    window = visit("Marketer")
    window.open("/hitview/list/")
    expect(window.rows).to_have_count(6)
    expect(window.row("AWAY")).to_have_count(0)
    window.open("/leadview/list/")
    expect(window.rows).to_have_count(2)
    window.open("/leadview/list/?_flt_0_name=客户AWAY")
    expect(window.rows).to_have_count(0)
    branches = window.page.locator('[name="_flt_0_branch"] option')
    expect(branches.filter(has_text="AWAY")).to_have_count(0)
    window.open(f"/hitview/show/{world.ids['hit_away_waiting']}", status=404)
