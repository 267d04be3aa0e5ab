"""Approvals of keys for the whole bank, of removals from the do-not-disturb list and of gateways."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.models import Approval, Branch, Lead, OutreachGateway, Suppression
from tests.access.world import World
from tests.conftest import Person

KEY = {"name": "crm", "branch": "", "days": "30", "reason": "数据仓库取数"}


def request_of(session: Session) -> Approval:
    """Return the newest request."""
    session.rollback()
    session.expire_all()
    return session.scalars(select(Approval).order_by(Approval.id.desc()).limit(1)).one()


def asks_api(app: Flask, key: str) -> int:
    return app.test_client().get("/api/v1/leads/", headers={"Authorization": f"Bearer {key}"}).status_code


def key_in(page: str) -> str:
    return re.findall(r"lm_[A-Za-z0-9_-]{40,}", page)[0]


def test_a_key_for_the_whole_bank_works_once_another_administrator_agreed(
    app: Flask, world: World, session: Session, login: Callable[..., Person]
) -> None:
    maker, checker = (login("Admin", username=name, language="zh") for name in ("maker", "checker"))
    manager = login("Manager", username="manager", language="zh")
    assert "请说明此密钥为何需要覆盖全行" in maker.submit("/apikeyview/create", KEY | {"reason": ""}).text
    page = maker.submit("/apikeyview/create", KEY).text
    assert "须经另一人审批后方可使用" in page
    key = key_in(page)
    assert asks_api(app, key) == 401
    assert "等待审批" in maker.get("/apikeyview/list/").text
    asked = request_of(session)
    assert asked.kind == "api_key"
    shown = checker.get(f"/approvalview/show/{asked.id}").text
    assert "全行" in shown
    assert "数据仓库取数" in shown
    for nobody in (maker, manager):
        nobody.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
        assert asks_api(app, key) == 401
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert asks_api(app, key) == 200


def test_a_key_that_was_rejected_never_works(
    app: Flask, world: World, session: Session, login: Callable[..., Person]
) -> None:
    maker, checker = (login("Admin", username=name, language="zh") for name in ("maker", "checker"))
    key = key_in(maker.submit("/apikeyview/create", KEY).text)
    checker.submit(f"/approvalview/reject/{request_of(session).id}", {"note": "用分行密钥"})
    assert asks_api(app, key) == 401
    assert "已吊销" in maker.get("/apikeyview/list/").text


def test_the_only_administrator_s_key_works_at_once_and_unchecked(
    app: Flask, world: World, session: Session, login: Callable[..., Person]
) -> None:
    maker = login("Admin", username="maker", language="zh")
    key = key_in(maker.submit("/apikeyview/create", KEY).text)
    assert asks_api(app, key) == 200
    asked = request_of(session)
    assert (asked.status, asked.reason, asked.decided_by) == ("unchecked", "数据仓库取数", None)


def opted_out(session: Session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(Lead.lead_no).where(Lead.opted_out)))


def test_nobody_leaves_the_do_not_disturb_list_by_one_person_s_will(
    world: World, session: Session, login: Callable[..., Person]
) -> None:
    maker, checker = (login("Manager", username=name, language="zh") for name in ("maker", "checker"))
    maker.submit("/suppressionview/add", {"phone": "13800000001", "reason": "投诉"})
    entry = session.scalars(select(Suppression.id).order_by(Suppression.id.desc()).limit(1)).one()
    maker.submit(f"/suppressionview/take_off/{entry}", {"reason": "客户 13800000001 同意"})
    assert opted_out(session) == ["L1001"]
    asked = request_of(session)
    assert "13800000001" not in asked.reason
    told = maker.submit(f"/suppressionview/take_off/{entry}", {"reason": "再来"}).text
    assert "等待审批" in told or "已在等待" in told
    shown = checker.get(f"/approvalview/show/{asked.id}").text
    assert "138****0001" in shown
    assert "投诉" in shown
    maker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert opted_out(session) == ["L1001"]
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert opted_out(session) == []
    row = session.get_one(Suppression, entry, populate_existing=True)
    assert row.removed_by == "maker"


def test_the_tick_on_a_lead_takes_nobody_off_the_list_alone(
    world: World, session: Session, login: Callable[..., Person]
) -> None:
    maker, checker = (login("Manager", username=name, language="zh") for name in ("maker", "checker"))
    path = f"/leadview/edit/{world.ids['lead_home']}"
    form = {"name": "客", "status": "active", "do_not_disturb_reason": "来电"}
    maker.submit(path, form | {"do_not_disturb": "y"})
    assert opted_out(session) == ["L1001"]
    assert "请说明" in maker.submit(path, form | {"do_not_disturb_reason": ""}).text
    maker.submit(path, form)
    assert opted_out(session) == ["L1001"]
    checker.submit(f"/approvalview/approve/{request_of(session).id}", {"note": ""})
    assert opted_out(session) == []


@pytest.mark.parametrize("row", ["gateway", "gateway_on"])
def test_a_gateway_is_switched_by_two(
    row: str, world: World, session: Session, login: Callable[..., Person]
) -> None:
    maker, checker = (login("Admin", username=name, language="zh") for name in ("maker", "checker"))
    key, was = world.ids[row], session.get_one(OutreachGateway, world.ids[row]).active
    # The database returns the second before the first.
    settings = {"url": f"https://{row}.example.com/send", "ref": "/id"}
    session.execute(update(OutreachGateway).where(OutreachGateway.id == key).values(settings=settings))
    session.commit()

    def active() -> bool:
        session.rollback()
        return session.get_one(OutreachGateway, key, populate_existing=True).active

    maker.submit(f"/outreachgatewayview/action/switch_{'off' if was else 'on'}/{key}")
    assert active() == was
    maker.submit(f"/outreachgatewayview/switch/{key}", {"reason": "换供应商"})
    assert active() == was
    asked = request_of(session)
    shown = checker.get(f"/approvalview/show/{asked.id}").text
    assert ("沙箱" if was else settings["url"]) in shown
    assert "&lt;" not in shown
    if not was:
        what = [name for name, _old, _new in asked.changes["en"]]
        assert what[1:3] == ["Address to send to", "Position of the reference number in the answer"]
        page = checker.get(f"/outreachgatewayview/show/{key}").text
        assert page.index(settings["url"]) < page.index("应答中流水号的位置"), "in the form's order"
    maker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert active() == was
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert active() != was


def test_a_gateway_changed_while_it_waits_is_not_what_was_asked_for(
    world: World, session: Session, login: Callable[..., Person]
) -> None:
    maker, checker = (login("Admin", username=name, language="zh") for name in ("maker", "checker"))
    key = world.ids["gateway"]
    maker.submit(f"/outreachgatewayview/switch/{key}", {"reason": "换供应商"})
    asked = request_of(session)
    row = session.get_one(OutreachGateway, key)
    changed = row.settings | {"url": "https://evil.example.com/send"}
    session.execute(update(OutreachGateway).where(OutreachGateway.id == key).values(settings=changed))
    session.commit()
    told = checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""}, follow_redirects=True).text
    assert "已发生变化" in told
    session.rollback()
    assert not session.get_one(OutreachGateway, key, populate_existing=True).active


def test_a_key_for_the_top_of_the_tree_is_one_for_the_whole_bank(
    app: Flask, world: World, session: Session, login: Callable[..., Person]
) -> None:
    maker, _checker = (login("Admin", username=name, language="zh") for name in ("maker", "checker"))
    part = KEY | {"name": "part", "branch": "HOME", "reason": ""}
    assert asks_api(app, key_in(maker.submit("/apikeyview/create", part).text)) == 200
    below = Branch.path.not_like(f"{world.home.path}%")
    session.execute(update(Branch).where(below).values(path=func.concat(world.home.path, Branch.id, "/")))
    session.commit()
    top = KEY | {"name": "top", "branch": "HOME"}
    assert asks_api(app, key_in(maker.submit("/apikeyview/create", top).text)) == 401
