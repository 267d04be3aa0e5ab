"""Every rule that holds a contact back; templates; approval of settings; the "why" page."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models import (
    Approval,
    Customer,
    ForbiddenWord,
    Hit,
    Holiday,
    Lead,
    OutreachSetting,
    OutreachTemplate,
)
from app.outreach import cost, settings, templates
from app.outreach.compliance import next_open
from app.outreach.settings import OutreachSettings
from app.schedules.calendar import Calendar, DayKind
from tests import clock
from tests.access.test_matrix import SETTING
from tests.access.world import DAY
from tests.conftest import Person, make_staff
from tests.outreach.conftest import Bank

#: reason → what to change of a hit, its lead, or the rules
HELD: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "opted_out": ({}, {"opted_out": True}, {}),
    "holdout": ({"holdout": True}, {}, {}),
    "converted": ({"status": "converted"}, {}, {}),
    "converted by an outcome": ({"outcome_on": DAY}, {}, {}),
    "hit_status": ({"status": "failed"}, {}, {}),
    "lead_status": ({}, {"status": "lost"}, {}),
    "grade": ({"grade": "D"}, {}, {"excluded_grades": ["D"]}),
    "phone": ({}, {"phone_masked": "0571******2"}, {}),
}


@pytest.mark.parametrize("reason", HELD)
def test_each_rule_holds_back_and_lets_the_others_go(bank: Bank, manager: Person, reason: str) -> None:
    hit, lead, rules = HELD[reason]
    reason = reason.split()[0]
    one, two = bank.people(2)
    bank.rules(**rules)
    before = bank.start(manager, [one, two])
    assert set(bank.outcomes(before).values()) == {("queued", "")}
    if hit:
        bank.set(Hit, one, **hit)
    if lead:
        bank.set(Lead, bank.lead_of(one).id, **lead)
    batch = bank.start(manager, [one, two])
    assert bank.outcomes(batch) == {one: ("held", reason), two: ("queued", "")}
    bank.confirm(manager, before)
    bank.send()
    assert bank.outcomes(before) == {one: ("held", reason), two: ("sent", "")}, "and at sending"


def test_somebody_else_s_hit_is_the_manager_s_to_contact(
    bank: Bank, login: Callable[..., Person], session: Session
) -> None:
    own = bank.ids["hit_home_waiting"]
    other = make_staff(session, "other", "Marketer", branch=bank.world.home)
    bank.set(Customer, bank.lead_of(own).id, owner_id=other.id)
    marketer = login("Marketer", branch=bank.world.home)
    held = bank.posted(marketer, f"/hitview/contact_one/{own}/sms")
    assert bank.outcomes(held) == {own: ("held", "owner")}
    assert bank.outcomes(bank.start(login("Manager"), [own])) == {own: ("queued", "")}


def test_a_lead_page_says_why(bank: Bank, manager: Person) -> None:
    hit = bank.ids["hit_home_waiting"]
    bank.confirm(manager, bank.start(manager, [hit]))
    bank.send()
    bank.rules(sms_cap=1)
    bank.start(manager, [hit])
    page = manager.get(f"/leadview/show/{bank.ids['lead_home']}").text
    assert "该客户为何被触达或未被触达" in page
    assert "已达该渠道频次上限" in page
    assert "可以触达" in page, "a call would go"
    bank.set(Lead, bank.ids["lead_home"], opted_out=True)
    assert "可以触达" not in manager.get(f"/leadview/show/{bank.ids['lead_home']}").text


SHANGHAI = dt.timezone(dt.timedelta(hours=8))


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-10-28 08:59", "2026-10-28 09:00"),
        ("2026-10-28 09:00", "2026-10-28 09:00"),
        ("2026-10-28 19:59", "2026-10-28 19:59"),
        ("2026-10-28 20:00", "2026-10-29 09:00"),
        ("2026-09-30 20:00", "2026-10-08 09:00"),
        ("2026-10-29 10:00", "2026-10-30 09:00"),
    ],
)
def test_contact_hours_and_holidays(now: str, opens: str) -> None:
    """The first week of October is a public holiday; the bank itself closes on the 29th."""
    calendar = Calendar({dt.date(2026, 10, 29): DayKind.HOLIDAY})
    if "2026-10-29" in opens:
        calendar = Calendar()
    local = dt.datetime.fromisoformat(now).replace(tzinfo=SHANGHAI)
    found = next_open(OutreachSettings(), calendar, local)
    assert f"{found:%Y-%m-%d %H:%M}" == opens


def test_the_bank_s_own_holiday_stops_a_batch(bank: Bank, manager: Person, session: Session) -> None:
    bank.rules(skip_holidays=True, wait_days=0)
    session.add(Holiday(date=clock.today(), kind="holiday", name="行庆", updated_by="x"))
    session.commit()
    batch = bank.start(manager, bank.people(1))
    bank.confirm(manager, batch)
    bank.send()
    assert set(bank.outcomes(batch).values()) == {("held", "hours")}


def test_rules_change_with_a_second_person(
    app: Flask, bank: Bank, login: Callable[..., Person], session: Session
) -> None:
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker", language="zh")
    wrong = maker.submit("/outreachsettingview/change", {**SETTING, "open_to": "08:00"})
    assert "must end after they begin" in wrong.text
    assert "25:00" in maker.submit("/outreachsettingview/change", {**SETTING, "open_from": "25:00"}).text
    for silent in ("", "  R  "):
        wrong = maker.submit("/outreachsettingview/change", {**SETTING, "opt_out_sentence": silent})
        assert "Every SMS must say how to opt out" in wrong.text
    asked = maker.submit("/outreachsettingview/change", SETTING)
    assert asked.status_code == 302
    key = int(asked.headers["Location"].rsplit("/", 1)[1])
    page = checker.get(f"/approvalview/show/{key}").text
    assert "每人短信" in page
    with app.app_context():
        assert settings.current().sms_cap == 2
    maker.submit(f"/approvalview/approve/{key}", {"note": ""})
    with app.app_context():
        assert settings.current().sms_cap == 2, "nobody approves their own"
    checker.submit(f"/approvalview/approve/{key}", {"note": ""})
    with app.app_context():
        assert settings.current().sms_cap == 5
    rows = session.execute(
        select(OutreachSetting.status, OutreachSetting.created_by, OutreachSetting.activated_by).order_by(
            OutreachSetting.id.desc()
        )
    ).all()
    assert rows[0] == ("active", "maker", "checker")
    assert {status for status, *_ in rows[1:]} == {"retired"}
    newest = session.scalar(select(OutreachSetting.id).order_by(OutreachSetting.id.desc()))
    shown = checker.get(f"/outreachsettingview/show/{newest}").text
    facts = " ".join(re.findall(r"<h2>.*?</h2>|<dt>.*?</dd>", shown))
    assert "<h2>频次上限</h2> <dt>每人短信</dt><dd>5 次</dd>" in facts
    assert "<dd>10 人</dd>" in facts


def test_a_rejected_change_leaves_no_trace_in_force(
    app: Flask, bank: Bank, login: Callable[..., Person], session: Session
) -> None:
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker")
    maker.submit("/outreachsettingview/change", SETTING)
    key = session.scalars(select(Approval.id).order_by(Approval.id.desc()).limit(1)).one()
    checker.submit(f"/approvalview/reject/{key}", {"note": "太多"})
    with app.app_context():
        assert settings.current().sms_cap == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "required"),
        ("您好{phone}", "There is no variable {phone}"),
        ("您好{surname", "curly bracket"),
        ("本产品保 本，收益稳定", "保本"),
        ("x" * 501, "501 characters"),
    ],
)
def test_what_no_template_may_say(bank: Bank, login: Callable[..., Person], body: str, said: str) -> None:
    session = bank.session
    if session.scalar(select(ForbiddenWord.id).where(ForbiddenWord.word == "保本")) is None:
        session.add(ForbiddenWord(word="保本", created_by="x"))
        session.commit()
    manager = login("Manager")
    answer = manager.submit("/outreachtemplateview/add", {"name": "新", "channel": "sms", "body": body})
    assert answer.status_code == 200
    assert said in answer.text
    assert session.scalar(select(OutreachTemplate.id).where(OutreachTemplate.name == "新")) is None


def test_a_changed_text_is_a_new_version_and_old_batches_keep_theirs(bank: Bank, manager: Person) -> None:
    template = bank.templates["sms"]
    batch = bank.start(manager, bank.people(1))
    change = {"name": template.name, "body": "您好{surname}", "active": "y"}
    manager.submit(f"/outreachtemplateview/edit/{template.id}", change)
    manager.submit(f"/outreachtemplateview/edit/{template.id}", change)
    bank.session.expire_all()
    assert [version.number for version in template.versions] == [2, 1]
    bank.confirm(manager, batch)
    bank.send()
    sent = bank.session.scalar(text("SELECT body FROM sandbox_message"))
    assert "邀您了解新额度" in str(sent)
    answer = manager.submit(f"/outreachtemplateview/delete/{template.id}", follow_redirects=True)
    assert "已被使用过" in answer.text


def test_texts_are_made_and_counted_as_in_the_browser() -> None:
    """The same table as in tests/static/sms.test.js."""
    table = json.loads((Path(__file__).parents[1] / "data" / "sms_lengths.json").read_text("utf-8"))
    for each in table:
        said = each["text"] * each.get("times", 1)
        wanted = templates.Length(each["chars"], each["segments"], each["alphabet"])
        assert templates.length(said) == wanted, said
        assert cost.segments("sms", said) == each["segments"]
        if "body" in each:
            body = templates.stored(each["body"])
            assert templates.render(body, each["values"], "sms", each["opt_out"]) == said


@pytest.mark.parametrize(
    ("name", "family"),
    [("张三", "张"), ("欧阳娜娜", "欧阳"), ("欧阳", "欧"), ("John Smith", "John"), ("", "")],
)
def test_a_family_name(name: str, family: str) -> None:
    assert templates.surname(name) == family
