"""``POST /api/v1/outreach/results`` records each result once, with the steps that follow from it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.effect import funnel
from app.effect.funnel import EffectFilters
from app.extensions import db
from app.hits.counts import HitFilter
from app.models import CloseReason, HitEvent, Lead, Outreach, OutreachEvent, Staff, Suppression
from app.rules.conversions import successes
from tests.conftest import Person
from tests.outreach.conftest import Bank

URL = "/api/v1/outreach/results"
AT = "2026-10-28T10:00:00+08:00"


@pytest.fixture
def key(bank: Bank, cli: Callable[..., Any]) -> str:
    """A system's key for the whole bank."""
    return made_key(cli, "crm")


def made_key(cli: Callable[..., Any], *words: str) -> str:
    import json

    return str(json.loads(cli("api-key", "create", *words, "--json").stdout)["key"])


@pytest.fixture
def post(app: Flask, key: str) -> Callable[..., Any]:
    def send(body: Any, with_key: str = key) -> Any:
        headers = {"Authorization": f"Bearer {with_key}"} if with_key else {}
        return app.test_client().post(URL, json=body, headers=headers)

    return send


@pytest.fixture
def contact(bank: Bank, login: Callable[..., Person], session: Session) -> Outreach:
    """Create a contact that was sent."""
    login("Manager", username="one")
    bank.make([bank.ids["hit_home_waiting"]], "one")
    bank.send()
    session.expire_all()
    return session.scalars(select(Outreach).where(Outreach.status == "sent")).one()


def item(of: Outreach, outcome: str, **more: Any) -> dict[str, Any]:
    return {"outreach_id": str(of.key), "outcome": outcome, "at": AT, **more}


def test_each_item_is_answered_and_counted_once(
    post: Callable[..., Any], contact: Outreach, session: Session
) -> None:
    good = item(contact, "delivered", note="回执 13812345678")
    given = [
        good,
        good,
        item(contact, "answered"),
        {**good, "outreach_id": str(uuid.uuid4())},
        {**good, "outreach_id": "nothing"},
        {**good, "outcome": "sold"},
        {**good, "at": "yesterday"},
        {**good, "at": "2026-10-28T10:00:00"},
        {**good, "at": "2999-01-01T00:00:00Z"},
        {**good, "extra": 1},
        "what",
        None,
    ]
    answer = post({"results": given})
    assert answer.status_code == 200
    assert [each["status"] for each in answer.json["results"]] == [
        *("accepted", "duplicate", "accepted", "unknown", "unknown"),
        *("invalid",) * 7,
    ]
    assert [each["status"] for each in post({"results": [good]}).json["results"]] == ["duplicate"]
    session.expire_all()
    assert session.get_one(Outreach, contact.id).status == "answered"
    events = session.scalars(select(OutreachEvent).order_by(OutreachEvent.id)).all()
    assert [event.outcome for event in events] == ["delivered", "answered"]
    assert events[0].note == "回执 138****5678"
    assert events[0].source == "crm"


def test_a_long_note_is_kept_whole_and_cut_visibly(
    post: Callable[..., Any], contact: Outreach, session: Session
) -> None:
    said = "客户说" * 166
    assert (
        post({"results": [item(contact, "answered", note=said)]}).json["results"][0]["status"] == "accepted"
    )
    session.expire_all()
    assert session.scalars(select(OutreachEvent.note)).one() == said
    shown = str(session.get_one(Outreach, contact.id).note)
    assert (len(shown), shown[-2:]) == (300, "户…")
    answer = post({"results": [item(contact, "interested", note=said + "又又又")]}).json["results"][0]
    assert (answer["status"], answer["error"]) == (
        "invalid",
        "note: String should have at most 500 characters",
    )


def test_what_comes_late_does_not_undo_what_says_more(
    post: Callable[..., Any], contact: Outreach, session: Session
) -> None:
    for outcome in ("converted", "delivered", "failed"):
        post({"results": [item(contact, outcome)]})
    session.expire_all()
    assert session.get_one(Outreach, contact.id).status == "converted"


def test_converted_moves_the_hit(
    post: Callable[..., Any], contact: Outreach, bank: Bank, session: Session
) -> None:
    assert bank.hit(contact.hit_id).status == "in_progress"
    post({"results": [item(contact, "converted", note="放款")]})
    hit = bank.hit(contact.hit_id)
    assert hit.status == "converted"
    assert hit.converted_at is not None
    kinds = session.scalars(
        select(HitEvent.kind).where(HitEvent.hit_id == hit.id).order_by(HitEvent.id)
    ).all()
    assert kinds[-2:] == ["start", "convert"]


def test_an_outcome_reaches_back_tests_and_the_funnel(
    app: Flask, post: Callable[..., Any], contact: Outreach, session: Session
) -> None:
    post({"results": [item(contact, "answered"), item(contact, "converted")]})
    day = dt.date(2026, 10, 28)
    with app.app_context():
        chief = db.session.scalars(select(Staff).where(Staff.username == "one")).one()
        claimed = successes(app.config["SETTINGS"], by_outcomes=False)
        found = db.session.execute(select(claimed.c.lead_id, claimed.c.on)).all()
        assert found == [(contact.lead_id, day)]
        total = funnel.count_funnel(
            EffectFilters(HitFilter(chief), channel="sms", template=str(contact.version_id))
        ).total
    assert (total.hit, total.contacted, total.answered, total.converted, total.sms) == (1, 1, 1, 1, 1)
    assert total.cost == contact.cost


@pytest.mark.parametrize("outcome", ["refused", "opt_out"])
def test_a_refusal_closes_the_hit(
    post: Callable[..., Any], contact: Outreach, bank: Bank, session: Session, outcome: str
) -> None:
    session.add(CloseReason(name="拒绝营销", position=90, refusal=True))
    session.commit()
    post({"results": [item(contact, outcome)]})
    hit = bank.hit(contact.hit_id)
    assert (hit.status, hit.close_reason.name if hit.close_reason else "") == ("failed", "拒绝营销")


def test_opt_out_puts_person_and_phone_on_the_list(
    post: Callable[..., Any], contact: Outreach, bank: Bank, session: Session
) -> None:
    post({"results": [item(contact, "opt_out"), item(contact, "opt_out", note="again")]})
    session.expire_all()
    lead = session.get_one(Lead, contact.lead_id)
    assert lead.opted_out
    entries = session.scalars(select(Suppression).where(Suppression.created_by == "crm")).all()
    assert {(entry.id_hash, entry.phone_index) for entry in entries} == {
        (lead.id_hash, None),
        (None, lead.phone_index),
    }
    later = bank.make([bank.ids["hit_home_in_progress"], bank.ids["hit_away_waiting"]], "one", "call")
    assert bank.outcomes(later)[bank.ids["hit_home_in_progress"]] == ("held", "opted_out")


def test_a_system_reaches_its_branch_only(
    post: Callable[..., Any], contact: Outreach, cli: Callable[..., Any], session: Session
) -> None:
    away = made_key(cli, "away-crm", "--branch", "AWAY")
    answer = post({"results": [item(contact, "converted")]}, away)
    assert answer.json["results"][0]["status"] == "unknown"
    assert session.scalar(select(func.count()).select_from(OutreachEvent)) == 0


def test_who_may_not_and_what_is_no_request(
    post: Callable[..., Any],
    contact: Outreach,
    login: Callable[..., Person],
    cli: Callable[..., Any],
    session: Session,
) -> None:
    good = {"results": [item(contact, "delivered")]}
    assert post(good, "").status_code == 401
    assert post(good, "lm_nothing").status_code == 401
    admin = login("Admin")
    assert admin.post(URL, json=good).status_code == 400, "a browser's session needs its token"
    assert admin.post(URL, json=good, headers={"X-CSRFToken": admin.token()}).status_code == 200
    assert login("Marketer").post(URL, json=good).status_code == 403
    for body in (None, [], {}, {"results": {}}, {"results": [], "more": 1}, {"results": [{}] * 1001}):
        assert post(body).status_code == 400
    cli("api-key", "revoke", "crm")
    assert post(good).status_code == 401
