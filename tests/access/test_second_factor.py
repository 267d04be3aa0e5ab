"""The second factor: who needs it, what a code opens, and that it opens once."""

from __future__ import annotations

import dataclasses
import html
import re
import threading
from collections.abc import Callable

import pyotp
import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app import create_web, doctor
from app.access import second_factor
from app.access.keys import create_key
from app.cli.users import users_group
from app.models import Staff
from config import Settings
from tests import clock
from tests.access.world import World
from tests.conftest import PASSWORD, Person, make_staff

CODE = "second_factor_code"
NEW = "violet kettle 7 orbits"
PAGE = "/tagview/list/"
STEP = second_factor.STEP


def code(secret: str, steps: int = 0) -> str:
    """Return the code of a number of steps from now."""
    return pyotp.TOTP(secret).at(int(clock.now().timestamp()) + steps * STEP)


def enrol(client: Person, name: str = "") -> tuple[str, list[str]]:
    """Add an authenticator app as a person does. Return its secret and the recovery codes."""
    page = client.get("/secondfactor/add").text
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", page)
    assert found
    assert "data:image/svg+xml" in page
    secret = found[1].replace(" ", "")
    answer = client.submit("/secondfactor/add", {CODE: code(secret), "name": name})
    return secret, re.findall(r"<li><code>([0-9a-f-]+)</code>", answer.text)


def forget_steps(engine: Engine) -> None:
    """Let codes of the present step be taken again, as if minutes had passed."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE second_factor SET last_step = last_step - 9"))


def log_in(app: Flask, name: str) -> Person:
    client = Person(app, app.response_class, use_cookies=True)
    client.submit("/login/", {"username": name, "password": PASSWORD})
    return client


def place(answer: object) -> str:
    return str(answer.headers.get("Location", ""))  # type: ignore[attr-defined]


@pytest.fixture
def demanding(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dataclasses.replace(app.config["SETTINGS"], second_factor="required")
    monkeypatch.setitem(app.config, "SETTINGS", settings)


def test_a_log_in_with_a_second_factor_opens_nothing_before_its_code(
    app: Flask, session: Session, engine: Engine
) -> None:
    make_staff(session, "boss", "Manager")
    secret, recovery = enrol(log_in(app, "boss"))
    assert len(recovery) == 10
    forget_steps(engine)
    client = log_in(app, "boss")
    assert place(client.get(PAGE)) == "/secondfactor/prove?next=/tagview/list/?"
    assert place(client.submit("/tagview/add", {"name": "VIP"})) == "/secondfactor/prove"
    new = {"present": PASSWORD, "password": NEW, "conf_password": NEW}
    assert place(client.submit("/resetmypassword/form", new)) == "/secondfactor/prove"
    asked = client.get(PAGE, headers={"Accept": "application/json"})
    assert asked.status_code == 401
    assert "Confirm that it is you" in asked.json["message"]
    assert "wrong" in client.submit("/secondfactor/prove?next=/tagview/list/", {CODE: "000000"}).text
    proven = client.submit("/secondfactor/prove?next=/tagview/list/", {CODE: code(secret)})
    assert place(proven) == PAGE
    assert client.get(PAGE).status_code == 200
    assert session.scalar(text("SELECT count(*) FROM tag")) == 0


def test_a_code_works_once_and_one_step_around_now(app: Flask, session: Session, engine: Engine) -> None:
    make_staff(session, "boss", "Manager")
    secret, _recovery = enrol(log_in(app, "boss"))
    last = session.scalar(text("SELECT last_step FROM second_factor"))
    enrolled = pyotp.TOTP(secret).generate_otp(int(last or 0))
    for typed in (enrolled, code(secret, -2), code(secret, 3)):
        assert log_in(app, "boss").submit("/secondfactor/prove", {CODE: typed}).status_code == 200
    assert log_in(app, "boss").submit("/secondfactor/prove", {CODE: code(secret, 1)}).status_code == 302
    forget_steps(engine)
    used = code(secret)
    assert log_in(app, "boss").submit("/secondfactor/prove", {CODE: used}).status_code == 302
    assert log_in(app, "boss").submit("/secondfactor/prove", {CODE: used}).status_code == 200


def test_codes_may_be_typed_with_spaces_and_full_width_digits(
    app: Flask, session: Session, engine: Engine
) -> None:
    wide = str.maketrans("0123456789-", "０１２３４５６７８９－")
    make_staff(session, "boss", "Manager")
    client = log_in(app, "boss")
    assert "This code is wrong" in client.submit("/secondfactor/add", {CODE: "éé²²"}).text
    secret = client.get("/secondfactor/add").text.split("<code>")[1].split("</code>")[0].replace(" ", "")
    digits = code(secret)
    added = client.submit("/secondfactor/add", {CODE: f"{digits[:3]} {digits[3:]}".translate(wide)})
    recovery = re.findall(r"<li><code>([0-9a-f-]+)</code>", added.text)
    forget_steps(engine)
    for typed in (code(secret).translate(wide), recovery[0].translate(wide)):
        assert log_in(app, "boss").submit("/secondfactor/prove", {CODE: typed}).status_code == 302
    for typed in ("éé²²", "²²²²²²", "٣٣٣٣٣٣"):
        assert "wrong" in log_in(app, "boss").submit("/secondfactor/prove", {CODE: typed}).text


def test_of_two_requests_with_the_same_code_one_passes(app: Flask, session: Session, engine: Engine) -> None:
    make_staff(session, "boss", "Manager")
    secret, recovery = enrol(log_in(app, "boss"))
    forget_steps(engine)
    for typed in (code(secret), recovery[0]):
        results: list[bool] = []
        barrier = threading.Barrier(2)

        def use(
            typed: str = typed, results: list[bool] = results, barrier: threading.Barrier = barrier
        ) -> None:
            with app.app_context():
                user = app.appbuilder.sm.find_user(username="boss")  # type: ignore[attr-defined]
                barrier.wait()
                results.append(second_factor.is_right(user, typed))

        threads = [threading.Thread(target=use) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == [False, True]


def test_a_recovery_code_stands_in_once(app: Flask, session: Session) -> None:
    make_staff(session, "boss", "Manager")
    _secret, recovery = enrol(log_in(app, "boss"))
    typed = f" {recovery[3].upper()} "
    client = log_in(app, "boss")
    assert client.submit("/secondfactor/prove", {CODE: typed}).status_code == 302
    assert "9 are left" in client.get("/secondfactor/").text
    assert log_in(app, "boss").submit("/secondfactor/prove", {CODE: typed}).status_code == 200
    kept = session.scalars(text("SELECT encode(code_hash, 'escape') FROM recovery_code")).all()
    assert not set(kept) & set(recovery)


@pytest.mark.usefixtures("demanding")
@pytest.mark.parametrize(
    ("role", "needs"),
    [("Admin", True), ("Auditor", True), ("Manager", True), ("Marketer", True), ("DataOperator", False)],
)
def test_who_must_have_one_adds_it_first(
    role: str, needs: bool, app: Flask, world: World, session: Session
) -> None:
    """Administrators, auditors, and whoever may export or approve."""
    make_staff(session, "person", role, branch=world.home)
    client, page = log_in(app, "person"), "/users/userinfo/"
    assert place(client.get(page)).startswith("/secondfactor/add") is needs
    assert client.get("/api/v1/leads/").status_code in (401, 403)
    assert len(enrol(client)[1]) == 10
    assert client.get(page).status_code == 200


@pytest.mark.parametrize(
    ("right", "needs"),
    [
        ("export on LeadView", True),
        ("can_export_log on ChangeLogView", True),
        ("can_edit on RoleView", True),
        ("can_create on ApiKeyView", True),
        ("can_list on LeadView", False),
    ],
)
def test_a_role_of_ones_own_needs_one_by_its_rights(
    right: str, needs: bool, app: Flask, session: Session
) -> None:
    manager = app.appbuilder.sm  # type: ignore[attr-defined]
    permission, view = right.split(" on ")
    with app.app_context():
        role = manager.add_role("Own")
        manager.add_permission_role(role, manager.find_permission_view_menu(permission, view))
        make_staff(session, "person", "Own")
        assert second_factor.needs_one(manager.find_user(username="person")) is needs


@pytest.mark.usefixtures("demanding")
def test_who_was_given_a_password_chooses_their_own_first(app: Flask, session: Session) -> None:
    person = make_staff(session, "person", "Admin")
    person.password_given = True
    session.commit()
    client = log_in(app, "person")
    assert place(client.get(PAGE)) == "/resetmypassword/form"
    form = {"present": PASSWORD, "password": NEW, "conf_password": NEW}
    assert client.submit("/resetmypassword/form", form).status_code == 302
    assert place(client.get(PAGE)).startswith("/secondfactor/add")
    enrol(client)
    assert client.get(PAGE).status_code == 200


@pytest.mark.usefixtures("demanding")
def test_an_api_key_needs_none_and_opens_the_api_alone(app: Flask, world: World) -> None:
    with app.app_context():
        key = create_key("crm")["key"]
    client, bearer = app.test_client(), {"Authorization": f"Bearer {key}"}
    assert client.get("/api/v1/leads/", headers=bearer).status_code == 200
    assert client.get("/approvalview/list/", headers=bearer).status_code in (302, 401, 403)


def test_a_grave_act_asks_again_and_keeps_what_was_entered(
    app: Flask, session: Session, engine: Engine
) -> None:
    make_staff(session, "root", "Admin")
    admin = log_in(app, "root")
    secret, _recovery = enrol(admin)
    form = {"name": "crm", "branch": "", "days": "30", "reason": "数据<仓库>"}
    with engine.begin() as connection:
        connection.execute(text("UPDATE login_session SET verified_at = now() - interval '11 minutes'"))
    page = admin.submit("/apikeyview/create", form)
    assert 'name="reason" value="数据&lt;仓库&gt;"' in page.text
    assert session.scalar(text("SELECT count(*) FROM ab_api_key")) == 0
    assert admin.get("/apikeyview/list/").status_code == 200, "reading is not grave"
    asked = admin.post(
        "/apikeyview/create",
        data={**form, "csrf_token": admin.token()},
        headers={"Accept": "application/json"},
    )
    assert asked.status_code == 401
    again = admin.submit("/apikeyview/create", {**form, CODE: "000000"})
    assert "wrong" in html.unescape(again.text)
    assert session.scalar(text("SELECT count(*) FROM ab_api_key")) == 0
    forget_steps(engine)
    made = admin.submit("/apikeyview/create", {**form, CODE: code(secret)})
    assert "crm" in made.text
    session.commit()
    assert session.scalar(text("SELECT count(*) FROM ab_api_key")) == 1


def test_another_factor_is_added_after_a_fresh_proof_only(
    app: Flask, session: Session, engine: Engine
) -> None:
    """Somebody at an unlocked desk could otherwise add a phone of theirs, which counts as a proof."""
    make_staff(session, "root", "Admin")
    admin = log_in(app, "root")
    secret, _recovery = enrol(admin)
    page = admin.get("/secondfactor/add").text
    theirs = page.split("<code>")[1].split("</code>")[0].replace(" ", "")
    with engine.begin() as connection:
        connection.execute(text("UPDATE login_session SET verified_at = now() - interval '11 minutes'"))
    for path in ("/secondfactor/", "/secondfactor/add"):
        assert place(admin.get(path)).startswith("/secondfactor/prove?next=/secondfactor/")
    for path in ("/secondfactor/add", "/secondfactor/key/new", "/secondfactor/key/add"):
        assert place(admin.submit(path, {CODE: code(theirs)})) == "/secondfactor/prove?next=/secondfactor/"
    asked = admin.submit("/secondfactor/key/new", headers={"Accept": "application/json"})
    assert asked.status_code == 401
    assert session.scalar(text("SELECT count(*) FROM second_factor")) == 1
    assert CODE in admin.submit("/apikeyview/create", {"name": "crm", "days": "30", "reason": "x"}).text
    forget_steps(engine)
    proven = admin.submit("/secondfactor/prove?next=/secondfactor/add", {CODE: code(secret)})
    assert place(proven) == "/secondfactor/add"
    enrol(admin, "tablet")
    session.commit()
    assert session.scalar(text("SELECT count(*) FROM second_factor")) == 2


def test_after_a_change_of_the_secret_key_no_code_is_right(
    app: Flask, session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_staff(session, "boss", "Manager")
    secret, _recovery = enrol(log_in(app, "boss"))
    forget_steps(engine)
    client = log_in(app, "boss")
    settings = dataclasses.replace(app.config["SETTINGS"], secret_key="another secret of 32 bytes or more")
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    assert client.submit("/secondfactor/prove", {CODE: code(secret)}).status_code == 200


def test_wrong_codes_are_limited_by_person(
    app: Flask, session: Session, engine: Engine, redis: Redis
) -> None:
    make_staff(session, "boss", "Manager")
    secret, _recovery = enrol(log_in(app, "boss"))
    forget_steps(engine)
    for _ in range(10):
        log_in(app, "boss").submit("/secondfactor/prove", {CODE: "000000"})
    answer = log_in(app, "boss").submit("/secondfactor/prove", {CODE: code(secret)})
    assert "Too many wrong codes" in answer.text


def test_without_redis_codes_still_work_and_are_still_limited(
    settings: Settings, engine: Engine, session: Session
) -> None:
    make_staff(session, "boss", "Manager")
    lonely = create_web(dataclasses.replace(settings, redis_url="redis://127.0.0.1:1/0"))
    secret, _recovery = enrol(log_in(lonely, "boss"))
    forget_steps(engine)
    assert log_in(lonely, "boss").submit("/secondfactor/prove", {CODE: code(secret)}).status_code == 302
    forget_steps(engine)
    for _ in range(10):
        log_in(lonely, "boss").submit("/secondfactor/prove", {CODE: "000000"})
    answer = log_in(lonely, "boss").submit("/secondfactor/prove", {CODE: code(secret)})
    assert "Too many wrong codes" in answer.text


def test_doctor_says_who_has_one_and_wants_it_demanded_in_production(
    app: Flask, session: Session, settings: Settings
) -> None:
    for name, role in (("boss", "Manager"), ("root", "Admin"), ("data", "DataOperator")):
        make_staff(session, name, role)
    enrol(log_in(app, "root"))
    with app.app_context():
        offered = doctor.results(settings)["second_factor"]
        assert (offered.ok, offered.detail.english()) == (
            True,
            "offered; 1 of 2 people who should have one have it",
        )
        lax = doctor.results(dataclasses.replace(settings, app_env="production"))["second_factor"]
        assert not lax.ok
        strict = dataclasses.replace(settings, app_env="production", second_factor="required")
        assert doctor.results(strict)["second_factor"].ok


def test_another_administrator_or_the_command_resets_it(
    app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    person = make_staff(session, "boss", "Manager")
    boss = log_in(app, "boss")
    enrol(boss)
    own = session.query(Staff).filter_by(username="boss").one().id
    admin = login("Admin", username="root")
    root = session.query(Staff).filter_by(username="root").one().id
    assert boss.submit(f"/users/action/resetfactor/{own}").status_code in (302, 403, 404)
    assert session.scalar(text("SELECT count(*) FROM second_factor")) == 1
    enrol(admin)
    assert admin.submit(f"/users/action/resetfactor/{root}").status_code == 404
    assert admin.submit(f"/users/action/resetfactor/{person.id}").status_code == 302
    session.commit()
    left = text("SELECT username FROM second_factor JOIN ab_user u ON u.id = user_id")
    assert session.scalars(left).all() == ["root"]
    assert session.scalar(text("SELECT count(*) FROM recovery_code")) == 10
    assert boss.get(PAGE).status_code == 302, "the session has ended"
    runner = app.test_cli_runner()
    assert runner.invoke(users_group, ["reset-mfa", "root"]).exit_code == 2, "a reason is demanded"
    assert runner.invoke(users_group, ["reset-mfa", "root", "--reason", "lost phone"]).exit_code == 0
    session.commit()
    assert session.scalars(left).all() == []
    told = text("SELECT title, changes FROM change_log WHERE kind = 'second_factor_reset' ORDER BY id")
    assert [tuple(row) for row in session.execute(told)] == [("boss", {}), ("root", {"reason": "lost phone"})]


def test_the_secret_is_sealed_and_the_change_log_has_none(app: Flask, session: Session) -> None:
    make_staff(session, "boss", "Manager")
    secret, recovery = enrol(log_in(app, "boss"), "我的手机")
    dumped = session.scalars(
        text(
            "SELECT t::text FROM second_factor t UNION ALL SELECT t::text FROM recovery_code t"
            " UNION ALL SELECT t::text FROM login_session t UNION ALL SELECT t::text FROM change_log t"
        )
    ).all()
    assert not [row for row in dumped if secret in row or any(each in row for each in recovery)]
    kinds = session.scalars(text("SELECT kind FROM change_log WHERE kind LIKE 'second%'")).all()
    assert kinds == ["second_factor_added"]
