"""With an HTTP gateway that misbehaves, nobody is contacted twice and no contact is lost."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.errors import FieldError
from app.leads.phone import PhoneVault
from app.models import Lead, Outreach, OutreachGateway
from app.outreach import http_gateway, sending
from tests import clock
from tests.conftest import Person
from tests.outreach.conftest import Bank
from tests.outreach.gateway import Gateway

SECRET = "a-secret-of-some-length"


@pytest.fixture
def gateway(app: Flask, bank: Bank, login: Callable[..., Person]) -> Iterator[Gateway]:
    """The reference gateway, set up on the screen and switched on for SMS."""
    served = Gateway(SECRET).start()
    settings = dataclasses.replace(app.config["SETTINGS"], webhook_allow=(served.url,))
    app.config["SETTINGS"] = settings
    admin = login("Admin", language="zh")
    form = {**FORM, "url": f"{served.url}/send", "status_url": f"{served.url}/status"}
    assert admin.submit("/outreachgatewayview/add", form).status_code == 302
    key = bank.session.scalars(select(OutreachGateway.id)).one()
    page = admin.submit(f"/outreachgatewayview/switch/{key}", {"reason": "上线"}, follow_redirects=True).text
    assert "已启用" in page
    assert SECRET not in page
    yield served
    served.stop()


FORM: dict[str, Any] = {
    "name": "测试网关",
    "channel": "sms",
    "request": '{"key": "{key}", "phone": "{phone}", "text": "{text}"}',
    "status_request": '{"key": "{key}"}',
    "result": "/code",
    "ref": "/id",
    "accepted": "0",
    "rejected": "rejected",
    "busy": "busy",
    "absent": "absent",
    "seconds": 20,
    "per_second": 1000,
    "secret": SECRET,
}


def phone(bank: Bank, hit: int, number: str) -> None:
    vault = PhoneVault.of(bank.app.config["SETTINGS"])
    lead = bank.lead_of(hit)
    bank.set(Lead, lead.id, phone_cipher=vault.encrypt(number))


def sent(bank: Bank, login: Callable[..., Person], hits: list[int]) -> int:
    login("Manager", username="one")
    batch = bank.make(hits, "one")
    bank.send()
    return batch


def later(bank: Bank, minutes: int = 5) -> None:
    """Make all status queries and retries due."""
    waiting = Outreach.status.in_(("unknown", "queued"))
    bank.session.execute(update(Outreach).where(waiting).values(next_at=func.now()))
    bank.session.commit()
    bank.send(clock.now() + dt.timedelta(minutes=minutes))


def test_a_sound_gateway(bank: Bank, gateway: Gateway, login: Callable[..., Person]) -> None:
    hits = bank.people(60)
    batch = sent(bank, login, hits)
    assert set(bank.outcomes(batch).values()) == {("sent", "")}
    assert len(gateway.taken) == len(gateway.requests) == 60
    refs = bank.session.scalars(select(Outreach.gateway_ref).where(Outreach.batch_id == batch)).all()
    assert all(ref.startswith("G-") for ref in refs)


def test_settings_have_units_and_no_empty_places(
    bank: Bank, gateway: Gateway, login: Callable[..., Person]
) -> None:
    admin = login("Admin", username="second", language="en")
    key = bank.session.scalars(select(OutreachGateway.id)).one()
    page = admin.get(f"/outreachgatewayview/show/{key}").text
    assert "<dd>20 s</dd>" in page
    assert re.search(r'name="cost_sms"[^>]*value="0\.05"', admin.get("/outreachsettingview/change").text)
    assert re.search(r'name="control_percent"[^>]*value="0"', admin.get("/outreachsettingview/change").text)
    assert "Leave empty to keep the current one" not in admin.get("/outreachgatewayview/add").text


@pytest.mark.parametrize("manner", ["hang", "500_after"])
def test_an_unclear_answer_is_asked_about_not_sent_again(
    bank: Bank, gateway: Gateway, login: Callable[..., Person], manner: str
) -> None:
    (hit,) = bank.people(1)
    gateway.manner = manner
    impatient = OutreachGateway.settings.concat({"seconds": 1})
    bank.session.execute(update(OutreachGateway).values(settings=impatient))
    bank.session.commit()
    batch = sent(bank, login, [hit])
    gateway.release.set()
    assert bank.outcomes(batch) == {hit: ("unknown", "")}
    bank.send()
    assert len(gateway.requests) == 1, "not by itself"
    later(bank)
    assert bank.outcomes(batch) == {hit: ("sent", "")}
    assert len(gateway.requests) == 1
    assert bank.hit(hit).status == "in_progress"


def test_what_the_gateway_never_saw_goes_again_with_the_same_key(
    bank: Bank, gateway: Gateway, login: Callable[..., Person]
) -> None:
    (hit,) = bank.people(1)
    gateway.manner = "500_before"
    batch = sent(bank, login, [hit])
    assert bank.outcomes(batch) == {hit: ("unknown", "")}
    gateway.manner = ""
    later(bank)
    assert bank.outcomes(batch) == {hit: ("queued", "")}
    later(bank, minutes=10)
    assert bank.outcomes(batch) == {hit: ("sent", "")}
    assert len(gateway.requests) == 2
    assert len(set(gateway.requests)) == 1
    assert bank.batch(batch).status == "done"


def test_what_the_gateway_never_sees_has_failed_in_the_end(
    app: Flask, bank: Bank, gateway: Gateway, login: Callable[..., Person]
) -> None:
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], gateway_tries=3)
    bank.rules(sms_cap=1)
    (hit,) = bank.people(1)
    gateway.manner = "500_before"
    batch = sent(bank, login, [hit])
    for tries in range(1, 4):
        assert bank.outcomes(batch) == {hit: ("unknown", "")}
        assert len(gateway.requests) == tries
        later(bank, minutes=30 * tries)
        later(bank, minutes=30 * tries + 10)
    assert bank.outcomes(batch) == {hit: ("failed", "unseen")}
    assert len(gateway.requests) == 3
    assert bank.costs(batch) == {hit: (None, None)}
    done = bank.batch(batch)
    assert (done.status, done.spent) == ("done", Decimal(0))
    for language, said in (("zh", "网关始终未收到"), ("en", "The gateway never received it")):
        page = login("Manager", language=language).get(f"/outreachbatchview/show/{batch}").text
        assert said in page
    gateway.manner = ""
    again = bank.make([hit], "one")
    bank.send()
    assert bank.outcomes(again) == {hit: ("sent", "")}, "it does not count against the caps"


def test_a_sender_that_vanished_leaves_nothing_twice(
    bank: Bank, gateway: Gateway, login: Callable[..., Person], session: Session
) -> None:
    """The worker is killed after the gateway accepted the contact, before that was stored."""
    (hit,) = bank.people(1)
    batch = sent(bank, login, [hit])
    past = clock.now() - dt.timedelta(minutes=1)
    session.execute(
        update(Outreach).values(status="sending", next_at=past, lease_until=past, lease_owner="gone")
    )
    session.commit()
    bank.send()
    assert bank.outcomes(batch) == {hit: ("sent", "")}
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("hours", [3, -3])
def test_a_lease_goes_by_the_databases_clock(
    bank: Bank, gateway: Gateway, login: Callable[..., Person], session: Session, hours: int
) -> None:
    (hit,) = bank.people(1)
    batch = sent(bank, login, [hit])
    begun = clock.now()

    def lease_until(moment: dt.datetime) -> None:
        held = {"status": "sending", "next_at": begun, "lease_until": moment, "lease_owner": "x"}
        session.execute(update(Outreach).values(**held))
        session.commit()

    with time_machine.travel(begun + dt.timedelta(hours=hours)):
        lease_until(begun + dt.timedelta(seconds=sending.CONTACTS.seconds))
        bank.send()
        assert bank.outcomes(batch) == {hit: ("sending", "")}, "alive"
        lease_until(begun)
        bank.send()
        assert bank.outcomes(batch) == {hit: ("sent", "")}, "its sender is gone"
    row = session.scalars(select(Outreach)).one()
    assert begun <= row.sent_at <= clock.now()


def test_busy_is_tried_again_and_refused_is_final(
    bank: Bank, gateway: Gateway, login: Callable[..., Person]
) -> None:
    busy, refused = bank.people(2)
    phone(bank, busy, "13800000004")
    phone(bank, refused, "13800000005")
    batch = sent(bank, login, [busy, refused])
    assert bank.outcomes(batch) == {busy: ("queued", ""), refused: ("failed", "gateway")}
    assert bank.batch(batch).status == "running"
    assert set(bank.costs(batch).values()) == {(None, None)}, "what was not taken costs nothing"
    phone(bank, busy, "13800000009")
    later(bank)
    assert bank.outcomes(batch)[busy] == ("sent", "")
    assert bank.costs(batch)[busy] == (1, Decimal("0.05"))
    assert bank.batch(batch).spent == Decimal("0.05")
    assert len(gateway.taken) == 1


def test_a_wrong_secret_reaches_nobody_and_opens_the_circuit(
    bank: Bank, gateway: Gateway, login: Callable[..., Person], session: Session
) -> None:
    gateway.secret = "another"
    hits = bank.people(8)
    batch = sent(bank, login, hits)
    assert gateway.taken == {}
    assert {status for status, _ in bank.outcomes(batch).values()} == {"queued"}
    row = session.scalars(select(OutreachGateway)).one()
    assert row.failures >= 5
    assert row.open_until is not None
    waiting = bank.batch(batch)
    assert waiting.waits_for == "gateway"
    assert waiting.not_before is not None


def test_a_host_that_is_not_allowed_is_never_asked(
    app: Flask, bank: Bank, gateway: Gateway, login: Callable[..., Person]
) -> None:
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], webhook_allow=())
    batch = sent(bank, login, bank.people(1))
    assert {status for status, _ in bank.outcomes(batch).values()} == {"queued"}
    assert gateway.requests == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://user:pw@sms.example.com/"}, "url"),
        ({"url": "ftp://sms.example.com/"}, "url"),
        ({"request": "{"}, "request"),
        ({"request": '{"key": "{key}"}'}, "request"),
        ({"status_request": "{}"}, "status_request"),
        ({"result": "code"}, "result"),
        ({"seconds": 0}, "seconds"),
        ({"more": 1}, "more"),
    ],
)
def test_what_no_gateway_can_be(change: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as refused:
        http_gateway.checked({"url": "https://sms.example.com/", **change})
    assert refused.value.field == field


def test_a_text_can_not_change_the_request() -> None:
    """Quotes and placeholders in a customer's text are kept as they are."""
    values = {"key": "K", "phone": "{text}", "text": '"}, {"phone": "{key}', "channel": "sms"}
    template = {"a": "{phone}", "b": ["<{text}>", 1, None], "c{key}": "{key}{channel}"}
    assert http_gateway.filled(template, values) == {
        "a": "{text}",
        "b": ['<"}, {"phone": "{key}>', 1, None],
        "c{key}": "Ksms",
    }
