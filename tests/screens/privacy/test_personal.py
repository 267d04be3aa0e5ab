"""Screens of personal data: revealing a number, and customer data requests."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.models import Lead, Reveal, SubjectRequest, Suppression
from tests.access.world import World, fingerprint
from tests.conftest import Person

PHONE = "13800000001"


def test_a_number_is_shown_once_the_reveal_is_recorded(
    world: World, session: Session, login: Callable[..., Person], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    marketer = login("Marketer", branch=world.home, username="li")
    for page in (
        f"/leadview/show/{world.ids['lead_home']}",
        f"/hitview/show/{world.ids['hit_home_waiting']}",
    ):
        shown = marketer.get(page).text
        assert f'action="/leadview/reveal/{world.ids["lead_home"]}"' in shown
        assert PHONE not in shown
    answer = marketer.submit(f"/leadview/reveal/{world.ids['lead_home']}", {"reason": "客户要求回电"})
    assert answer.get_json() == {"phone": PHONE, "seconds": 30}
    assert answer.headers["Cache-Control"] == "no-store"
    row = session.scalars(select(Reveal)).one()
    assert (row.revealed_by, row.reason, row.address) == ("li", "客户要求回电", "127.0.0.1")
    listed = login("Auditor").get("/revealview/list/").text
    assert all(part in listed for part in ("li", "客户要求回电", "L1001", "127.0.0.1"))
    assert PHONE not in listed + caplog.text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_refusal_is_in_the_users_language(
    language: str, world: World, login: Callable[..., Person], engine: Engine
) -> None:
    manager = login("Manager", language=language)
    before = fingerprint(engine)
    answer = manager.submit(f"/leadview/reveal/{world.ids['lead_home']}", {"reason": "x"})
    assert answer.status_code == 400
    said = answer.get_json()["message"]
    assert ("Give a reason" in said) == (language == "en")
    assert fingerprint(engine) == before


def test_no_number_by_get_without_token_or_outside_the_branch(
    world: World, login: Callable[..., Person], engine: Engine
) -> None:
    marketer = login("Marketer", branch=world.home)
    before = fingerprint(engine)
    own, foreign = (f"/leadview/reveal/{world.ids[name]}" for name in ("lead_home", "lead_away"))
    assert marketer.get(f"{own}?reason=because").status_code == 405
    assert marketer.post(own, data={"reason": "客户要求回电"}).status_code == 400
    assert marketer.submit(foreign, {"reason": "客户要求回电"}).status_code == 404
    assert fingerprint(engine) == before


def test_roles_that_may_not_reveal_see_no_button(world: World, login: Callable[..., Person]) -> None:
    page = login("Auditor").get(f"/leadview/show/{world.ids['lead_home']}").text
    assert "138****0001" in page
    assert "/reveal/" not in page


def test_a_request_from_search_to_erasure(
    world: World, session: Session, login: Callable[..., Person], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    admin, lead = login("Admin", username="root"), world.ids["lead_home"]
    found = admin.submit("/subjectrequestview/find", {"number": PHONE})
    assert f"/subjectrequestview/held/{lead}" in found.text
    assert PHONE not in found.text
    page = admin.get(f"/subjectrequestview/held/{lead}").text
    assert "138****0001" in page
    file = admin.submit(f"/subjectrequestview/file/{lead}")
    assert file.get_json()["lead"]["lead_no"] == "L1001"
    assert "attachment" in file.headers["Content-Disposition"]
    refused = admin.submit(
        f"/subjectrequestview/erase/{lead}", {"lead_no": "L1002", "reason": "客户书面申请"}
    )
    assert "Nothing was erased" in refused.text
    erased = admin.submit(
        f"/subjectrequestview/erase/{lead}", {"lead_no": "L1001", "reason": "客户书面申请", "suppress": "y"}
    )
    assert erased.headers["Location"].endswith("/subjectrequestview/list/")
    assert session.get(Lead, lead) is None
    assert [entry.reason for entry in entries_for(session, hashlib.sha256(b"1").hexdigest())] == [
        "客户书面申请"
    ]
    kinds = session.scalars(select(SubjectRequest.kind).order_by(SubjectRequest.id)).all()
    assert kinds == ["find", "show", "export", "erase"]
    assert admin.get(f"/subjectrequestview/held/{lead}").status_code == 404
    assert PHONE not in caplog.text


def entries_for(session: Session, id_hash: str) -> list[Suppression]:
    return list(session.scalars(select(Suppression).where(Suppression.id_hash == id_hash)))


def test_the_page_does_not_repeat_a_typed_number(world: World, login: Callable[..., Person]) -> None:
    page = login("Admin").submit("/subjectrequestview/find", {"number": "310101199709060960"}).text
    assert "check digit" in page
    assert "310101199709060960" not in page


def test_a_deleted_lead_is_still_found(world: World, login: Callable[..., Person]) -> None:
    admin, lead = login("Admin"), world.ids["lead_home"]
    admin.submit(f"/leadview/delete/{lead}")
    found = admin.submit("/subjectrequestview/find", {"number": PHONE})
    assert "Deleted, not purged yet" in found.text
    assert admin.get(f"/subjectrequestview/held/{lead}").status_code == 200
