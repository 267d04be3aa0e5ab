"""The preview of a text for example customers, and test SMS to one's own phone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.leads import rotate
from app.leads.phone import PhoneVault
from app.models import ChangeLog, OutreachTemplateVersion, OutreachTest, SandboxMessage, Staff
from tests.conftest import Person
from tests.outreach.conftest import Bank
from tests.outreach.gateway import Gateway
from tests.outreach.test_gateway import gateway as gateway

MOBILE = "13912345678"


def example(person: Person, path: str, n: int = 1) -> Any:
    return person.get(f"{path}{'&' if '?' in path else '?'}n={n}").get_json()


def sms_to_oneself(person: Person, body: str, hit: int | str = "") -> tuple[bool, str]:
    answer = person.submit("/outreachtemplateview/test", {"body": body, "hit": hit})
    said = answer.get_json()
    return said["sent"], said["message"]


def test_examples_are_the_customers_of_the_selection(
    bank: Bank, manager: Person, login: Callable[..., Person]
) -> None:
    going, failed = bank.ids["hit_home_waiting"], bank.ids["hit_home_failed"]
    path = f"/hitview/contact_many/sms/example?ids={going},{failed}"
    shown = [example(manager, path, n) for n in (1, 2, 3)]
    assert [each["number"] for each in shown] == [1, 2, 2], "there is none after the last one"
    assert {each["hit"] for each in shown} == {going, failed}
    by_hit = {each["hit"]: each for each in shown}
    assert by_hit[going]["held"] == ""
    assert by_hit[failed]["held"] == "将被拦截：命中状态不在触达范围"
    assert by_hit[going]["values"]["surname"] == "客"
    assert "客户HOME" not in str(shown)
    rows = example(manager, "/customerview/contact_many/sms/example?_flt_0_state=open")
    assert rows["total"] > 1
    assert example(manager, "/hitview/contact_many/sms/example?_flt_1_grade=D")["total"] == 0
    marketer = login("Marketer", branch=bank.world.home, language="zh")
    away = bank.ids["hit_away_waiting"]
    assert marketer.get(f"/hitview/contact_one/{away}/sms/example").status_code == 404
    assert example(marketer, f"/hitview/contact_one/{going}/sms/example")["hit"] == going
    assert example(manager, "/outreachtemplateview/example/call")["total"] > 1


def test_a_test_sms_goes_to_ones_own_phone(
    bank: Bank, gateway: Gateway, manager: Person, session: Session
) -> None:
    hit, me = bank.ids["hit_home_waiting"], select(Staff).where(Staff.username == "chen")
    assert sms_to_oneself(manager, "您好") == (False, "请先在个人资料中填写手机号。")
    assert (
        "短信只能发到手机号"
        in manager.submit("/profile/form", {"language": "zh", "phone": "021-87654321"}).text
    )
    manager.submit("/profile/form", {"language": "zh", "phone": f"+86 {MOBILE}"})
    assert "139****5678" in manager.get("/profile/form").text
    stored = session.scalars(me).one()
    assert MOBILE.encode() not in bytes(stored.phone_cipher or b"")

    went, message = sms_to_oneself(manager, "尊敬的{surname}先生/女士" + "好" * 60, hit)
    assert (went, message) == (True, "已发送到 139****5678。费用 ¥0.10。")
    assert list(gateway.taken.values()) == [MOBILE]
    test = session.scalars(select(OutreachTest)).one()
    assert (test.status, test.segments, test.cost) == ("sent", 2, Decimal("0.1000"))
    assert gateway.taken == {str(test.key): MOBILE}
    logged = session.scalars(select(ChangeLog).where(ChangeLog.object == "outreach_test")).all()
    assert {each.actor for each in logged} == {"chen"}
    assert MOBILE not in str([each.changes for each in logged])
    listed = manager.get("/outreachtestview/list/").text
    assert "1 条测试短信 · ¥0.10" in listed

    gateway.manner = "reject"
    assert sms_to_oneself(manager, "您好")[0] is False
    gateway.manner = "500_after"
    assert "可能送达" in sms_to_oneself(manager, "您好")[1]
    assert "没有变量 {nickname}" in sms_to_oneself(manager, "{nickname}")[1]
    costs = session.scalars(select(OutreachTest.cost).order_by(OutreachTest.id)).all()
    assert [cost is None for cost in costs] == [False, True, False]


def test_test_sms_are_limited_and_the_sandbox_shows_them(
    bank: Bank, login: Callable[..., Person], session: Session
) -> None:
    bank.app.config["SETTINGS"] = dataclasses.replace(bank.app.config["SETTINGS"], test_sms_per_hour=2)
    marketer = login("Marketer", branch=bank.world.home, language="zh", username="wang")
    marketer.submit("/profile/form", {"language": "zh", "phone": MOBILE})
    assert [sms_to_oneself(marketer, "您好")[0] for _ in range(3)] == [True, True, False]
    assert "一小时内已发送 2 条测试短信" in sms_to_oneself(marketer, "您好")[1]
    assert session.scalars(select(SandboxMessage.outreach_id)).all() == [None, None]
    assert "测试短信" in login("Manager", language="zh").get("/sandboxmessageview/list/").text
    assert "您好" not in login("Marketer", branch=bank.world.away).get("/outreachtestview/list/").text
    marketer.submit("/profile/form", {"language": "zh", "no_phone": "y"})
    assert sms_to_oneself(marketer, "您好") == (False, "请先在个人资料中填写手机号。")


@pytest.mark.usefixtures("bank")
def test_a_rotation_of_keys_covers_phones_of_staff(bank: Bank, manager: Person, session: Session) -> None:
    manager.submit("/profile/form", {"language": "zh", "phone": MOBILE})
    settings = bank.app.config["SETTINGS"]
    newer = dataclasses.replace(
        settings,
        pii_key="another-key-of-some-length",
        pii_key_version=2,
        pii_keys_old=((1, settings.pii_key),),
    )
    rotate.rotate(session.get_bind(), newer)  # type: ignore[arg-type]
    session.expire_all()
    stored = session.scalars(select(Staff.phone_cipher).where(Staff.username == "chen")).one()
    assert stored is not None
    assert stored[:1] == PhoneVault.of(newer).header
    assert PhoneVault.of(newer).decrypt(stored) == MOBILE


def test_a_template_is_as_long_in_every_language(
    bank: Bank, manager: Person, login: Callable[..., Person], session: Session
) -> None:
    template = bank.world.ids["template"]
    body = "【本行】尊敬的{surname}先生/女士，您的存款将于{fact:DUE}到期，续存可享专属利率，详询{branch}。"
    session.execute(update(OutreachTemplateVersion).values(body=body))
    session.commit()
    english = login("Manager", language="en", username="boss")
    for path in ("/outreachtemplateview/list/", f"/outreachtemplateview/show/{template}"):
        assert "约 57 个字符，计 1 条短信<" in manager.get(path).text
        assert "about 57 characters, 1 SMS<" in english.get(path).text
    assert (
        '<span class="clip" title="【本行】尊敬的〔客户姓氏〕'
        in manager.get("/outreachtemplateview/list/").text
    )


def test_texts_are_shown_with_the_words_of_their_variables(
    bank: Bank, gateway: Gateway, manager: Person, session: Session
) -> None:
    template = bank.world.ids["template"]
    body = "尊敬的{surname}先生/女士，您好{"
    session.execute(update(OutreachTemplateVersion).values(body=body))
    session.commit()
    for path in ("/outreachtemplateview/list/", f"/outreachtemplateview/show/{template}"):
        assert "尊敬的〔客户姓氏〕先生/女士，您好{" in manager.get(path).text
    assert "尊敬的{surname}先生/女士" in manager.get(f"/outreachtemplateview/edit/{template}").text
    manager.submit("/profile/form", {"language": "zh", "phone": MOBILE})
    sms_to_oneself(manager, "您好，{surname}")
    tests = manager.get("/outreachtestview/list/").text
    assert "您好，〔客户姓氏〕" in tests
    assert '<option value="chen">测试</option>' in tests, "people are chosen by name"
