"""API keys on screen: created by an administrator, shown once, used, revoked."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.models import Branch, ChangeLog, Staff
from tests.access.world import build
from tests.conftest import Person


def test_a_key_is_created_used_and_revoked(
    app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    build(session, app.config["SETTINGS"])
    admin = login("Admin", username="chief")
    made = admin.submit("/apikeyview/create", {"name": "crm", "branch": "HOME", "days": "30"})
    [key] = set(re.findall(r"lm_[A-Za-z0-9_-]{40,}", made.text))
    assert made.headers["Cache-Control"] == "no-store"
    assert key not in admin.get("/apikeyview/list/").text
    request = {"headers": {"Authorization": f"Bearer {key}"}}
    client = app.test_client()
    assert client.get("/api/v1/leads/", **request).get_json()["count"] == 2, "the branch and those below it"
    listed = admin.get("/apikeyview/list/").text
    row = listed[listed.index(">crm<") :]
    assert "HOME" in row
    assert "Valid" in row
    [number] = set(re.findall(r"/apikeyview/action/revoke/(\d+)", row[: row.index("</tr>")]))
    shown = admin.get(f"/apikeyview/show/{number}").text
    assert "never" not in shown, "it was used"
    answer = admin.submit(f"/apikeyview/action/revoke/{number}", follow_redirects=True).text
    assert "The key of crm is revoked." in answer
    assert client.get("/api/v1/leads/", **request).status_code == 401
    assert f"/apikeyview/action/revoke/{number}" not in admin.get(f"/apikeyview/show/{number}").text
    logged = select(ChangeLog.kind, ChangeLog.actor, ChangeLog.source).where(
        ChangeLog.object == "ab_api_key", ChangeLog.object_id == number
    )
    assert session.execute(logged.order_by(ChangeLog.id)).tuples().all() == [
        ("insert", "chief", "screen"),
        ("update", "chief", "screen"),
    ]


@pytest.mark.parametrize(
    ("language", "message"),
    [("en", "extend the API key"), ("zh", "就会覆盖全行")],
)
def test_moving_branches_does_not_extend_a_key_to_the_whole_bank(
    app: Flask, session: Session, login: Callable[..., Person], language: str, message: str
) -> None:
    world = build(session, app.config["SETTINGS"])
    home, away = world.home.id, world.away.id
    others = Branch.path.not_like(f"{world.home.path}%") & (Branch.id != away)
    session.execute(update(Branch).where(others).values(path=func.concat(world.home.path, Branch.id, "/")))
    session.commit()
    admin = login("Admin", username="chief", language=language)
    made = admin.submit("/apikeyview/create", {"name": "crm", "branch": "HOME", "days": "30"})
    [key] = set(re.findall(r"lm_[A-Za-z0-9_-]{40,}", made.text))
    move = {"code": "AWAY", "name": "AWAY", "parent": str(home)}
    assert message in admin.submit(f"/branchview/edit/{away}", move).text
    request = {"headers": {"Authorization": f"Bearer {key}"}}
    assert app.test_client().get("/api/v1/leads/", **request).status_code == 200


def test_an_invalid_key_is_refused_and_leaves_nothing(
    app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    admin = login("Admin", username="chief")
    before = session.scalar(select(func.count()).select_from(Staff))
    form = {"name": "crm", "branch": "", "days": "30", "reason": "warehouse"}
    for wrong, message in (
        ({"name": "chief"}, "A log-in called chief already exists."),
        ({"name": ""}, "This field is required"),
        ({"name": "a b"}, "Use letters, digits, dots, dashes and underscores."),
        ({"branch": "NOWHERE"}, "Not a valid choice"),
        ({"days": "0"}, "Number must be between 1 and 3650"),
    ):
        answer = admin.submit("/apikeyview/create", form | wrong)
        assert message in answer.text, wrong
        assert 'value="30"' in answer.text or "days" in wrong, "what was typed is kept"
    session.expire_all()
    assert session.scalar(select(func.count()).select_from(Staff)) == before
