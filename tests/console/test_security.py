"""CSRF, log-in rules and rate limits, cookies, headers, uploads, odd arguments."""

from __future__ import annotations

import dataclasses
import io
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_appbuilder.security.sqla.models import Role
from redis import Redis
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app import create_web
from app.models import Institution, Lead, Staff
from config import Settings
from tests.access.world import World, fingerprint
from tests.conftest import PASSWORD, Person, make_staff

CHANGES = [
    "/leadview/delete/{lead_home}",
    "/leadview/add",
    "/leadview/edit/{lead_home}",
    "/leadview/action_post",
    "/hitview/action/start/{hit_home_waiting}",
    "/importbatchview/upload",
    "/jobrunview/start",
    "/users/add",
    "/users/delete/{staff}",
    "/profile/form",
    "/resetpassword/form?pk={staff}",
]


@pytest.mark.parametrize("path", CHANGES)
def test_a_change_without_the_token_is_refused(
    path: str, world: World, login: Callable[..., Person], engine: Engine
) -> None:
    admin = login("Admin")
    before = fingerprint(engine)
    response = admin.post(path.format(**world.ids), data={"name": "x", "action": "delete_many"})
    assert response.status_code == 400
    assert fingerprint(engine) == before


@pytest.mark.parametrize(
    "path",
    ["/leadview/delete/{lead_home}", "/hitview/action/start/{hit_home_waiting}", "/users/delete/{staff}"],
)
def test_a_get_changes_nothing(path: str, world: World, login: Callable[..., Person], engine: Engine) -> None:
    admin = login("Admin")
    before = fingerprint(engine)
    assert admin.get(path.format(**world.ids)).status_code in (302, 405)
    assert fingerprint(engine) == before


def test_log_in_and_out(app: Flask, session: Session) -> None:
    make_staff(session, "boss", "Manager", language="zh")
    client = Person(app, app.response_class, use_cookies=True)
    wrong = client.submit("/login/", {"username": "boss", "password": "wrong"}, follow_redirects=True)
    assert wrong.status_code == 200
    assert client.get("/leadview/list/").status_code == 302
    right = client.submit("/login/", {"username": "boss", "password": PASSWORD})
    assert right.status_code == 302
    assert client.get("/leadview/list/").status_code == 200
    client.submit("/logout/")
    assert client.get("/leadview/list/").status_code == 302


def test_someone_switched_off_is_out_at_once(
    app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    client = login("Manager", username="leaver")
    assert client.get("/leadview/list/").status_code == 200
    session.execute(Staff.__table__.update().values(active=False))
    session.commit()
    assert client.get("/leadview/list/").status_code in (302, 403)


def test_without_redis_log_in_still_works_and_is_still_limited(
    settings: Settings, engine: Engine, session: Session
) -> None:
    make_staff(session, "boss", "Manager")
    lonely = create_web(dataclasses.replace(settings, redis_url="redis://127.0.0.1:1/0"))
    answers = []
    for _ in range(12):
        client = Person(lonely, lonely.response_class, use_cookies=True)
        answers.append(client.submit("/login/", {"username": "boss", "password": "wrong"}).status_code)
    assert set(answers[:10]) == {302}
    assert answers[-1] == 429


def _try(app: Flask, name: str, password: str, address: str, client: Person | None = None) -> Any:
    client = client or Person(app, app.response_class, use_cookies=True)
    form = {"username": name, "password": password}
    return client.submit("/login/", form, environ_base={"REMOTE_ADDR": address})


def test_failed_log_ins_are_limited_by_redis(app: Flask, session: Session, redis: Redis) -> None:
    """The limit is per address and account; others at the same address are not locked out."""
    for name in ("boss", "colleague"):
        make_staff(session, name, "Manager")
    answers = [_try(app, "boss", "wrong", "10.0.0.1").status_code for _ in range(12)]
    assert answers == [302] * 10 + [429] * 2
    refused = _try(app, "BOSS", PASSWORD, "10.0.0.1")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["X-Request-ID"] in refused.text
    assert any(b"lead-monitor" in key for key in redis.keys("*"))
    for _ in range(12):
        assert _try(app, "colleague", PASSWORD, "10.0.0.1").headers["Location"] == "/"


def test_an_outsider_shuts_nobody_out(app: Flask, session: Session, redis: Redis) -> None:
    make_staff(session, "boss", "Manager")
    known = Person(app, app.response_class, use_cookies=True)
    assert _try(app, "boss", PASSWORD, "10.0.0.1", known).headers["Location"] == "/"
    known.submit("/logout/")
    # From other addresses, and from the user's own.
    for n in range(20):
        _try(app, "boss", "wrong", f"10.0.1.{n}")
    for _ in range(12):
        _try(app, "boss", "wrong", "10.0.0.1")
    assert _try(app, "boss", PASSWORD, "10.0.0.1").status_code == 429
    assert _try(app, "boss", PASSWORD, "10.0.0.1", known).headers["Location"] == "/"
    assert _try(app, "boss", PASSWORD, "10.0.0.99").headers["Location"] == "/"


def test_who_guesses_at_many_shuts_nobody_of_the_same_address_out(
    app: Flask, session: Session, redis: Redis
) -> None:
    make_staff(session, "boss", "Manager")
    mine = Person(app, app.response_class, use_cookies=True)
    assert _try(app, "boss", PASSWORD, "10.0.0.1", mine).status_code == 302
    mine.submit("/logout/")
    answers = [_try(app, f"nobody{each}", "", "10.0.0.1").status_code for each in range(61)]
    assert answers[-1] == 429
    assert _try(app, "boss", PASSWORD, "10.0.0.1").status_code == 429
    assert _try(app, "boss", PASSWORD, "10.0.0.1", mine).headers["Location"] == "/"
    mine.submit("/logout/")
    assert [_try(app, "boss", "", "10.0.0.1", mine).status_code for _ in range(61)][-1] == 429


def test_a_browser_is_known_for_who_logged_in_there_alone(app: Flask, session: Session, redis: Redis) -> None:
    for name in ("boss", "thief"):
        make_staff(session, name, "Manager")
    mine = Person(app, app.response_class, use_cookies=True)
    _try(app, "thief", PASSWORD, "10.0.0.1", mine)
    mine.submit("/logout/")
    cookie = mine.get_cookie("lead_monitor_device", path="/login/")
    assert cookie is not None
    assert "thief" not in cookie.value
    answers = [_try(app, "boss", "wrong", "10.0.0.1", mine).status_code for _ in range(11)]
    assert answers[-1] == 429
    mine.set_cookie("lead_monitor_device", cookie.value[:-3] + "xxx", path="/login/")
    assert _try(app, "boss", PASSWORD, "10.0.0.1", mine).status_code == 429


def test_unknown_names_are_answered_alike(app: Flask, session: Session, redis: Redis) -> None:
    make_staff(session, "boss", "Manager")
    said = []
    for name in ("boss", "nobody"):
        answers = [_try(app, name, "wrong", "10.0.0.1") for _ in range(11)]
        page = re.sub(r"<[^>]+>|[0-9a-f]{16}", "", answers[-1].text)
        said.append(([(each.status_code, each.headers.get("Location")) for each in answers], page))
    assert said[0] == said[1]


@pytest.mark.parametrize(("language", "said"), [("zh", "请先登录"), ("en", "Log in first.")])
def test_a_visitor_is_asked_to_log_in(app: Flask, session: Session, language: str, said: str) -> None:
    visitor = Person(app, app.response_class, use_cookies=True)
    visitor.get(f"/lang/{language}")
    page = visitor.get("/leadview/list/", follow_redirects=True).text
    assert said in page
    assert "Access is Denied" not in page


def test_an_outside_address_is_not_followed_after_log_in(app: Flask, session: Session) -> None:
    make_staff(session, "boss", "Manager")
    client = Person(app, app.response_class, use_cookies=True)
    answer = client.submit("/login/?next=https://evil.example/", {"username": "boss", "password": PASSWORD})
    assert answer.status_code == 302
    assert "evil.example" not in answer.headers["Location"]


@pytest.mark.parametrize("password", ["short", "password1234567", ""])
def test_a_weak_password_is_refused(password: str, login: Callable[..., Person], session: Session) -> None:
    client = login("Manager", username="boss")
    before = session.scalars(select(Staff.password)).one()
    answer = client.submit(
        "/resetmypassword/form", {"present": PASSWORD, "password": password, "conf_password": password}
    )
    assert answer.status_code == 200
    session.expire_all()
    assert session.scalars(select(Staff.password)).one() == before


def test_the_present_password_is_asked_for(login: Callable[..., Person], session: Session) -> None:
    client = login("Manager", username="boss")
    before = session.scalars(select(Staff.password)).one()
    new = {"password": "Another-Pass-word-2027", "conf_password": "Another-Pass-word-2027"}
    assert client.submit("/resetmypassword/form", {"present": "guess", **new}).status_code == 200
    session.expire_all()
    assert session.scalars(select(Staff.password)).one() == before
    assert client.submit("/resetmypassword/form", {"present": PASSWORD, **new}).status_code == 302
    session.expire_all()
    assert session.scalars(select(Staff.password)).one() != before


def test_each_person_has_so_many_requests_a_minute_of_each_page(
    settings: Settings, session: Session, redis: Redis
) -> None:
    strict = create_web(dataclasses.replace(settings, requests_per_minute=30))
    hasty, colleague = (Person(strict, strict.response_class, use_cookies=True) for _ in range(2))
    for client, name in ((hasty, "hasty"), (colleague, "colleague")):
        make_staff(session, name, "Manager")
        client.submit("/login/", {"username": name, "password": PASSWORD})
    for _ in range(30):
        assert hasty.get("/reminderview/unread").status_code == 200
    refused = hasty.get("/reminderview/unread")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert hasty.get("/tagview/list/").status_code == 200, "of another page"
    assert colleague.get("/reminderview/unread").status_code == 200


def test_a_link_or_image_elsewhere_logs_nobody_out(login: Callable[..., Person]) -> None:
    client = login("Manager")
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").status_code == 400, "without the form's token"
    assert client.get("/tagview/list/").status_code == 200
    assert client.submit("/logout/").status_code == 302
    assert client.get("/tagview/list/").status_code == 302


def test_cookies_and_headers(app: Flask, session: Session) -> None:
    make_staff(session, "boss", "Manager")
    client = Person(app, app.response_class, use_cookies=True)
    answer = client.submit("/login/", {"username": "boss", "password": PASSWORD})
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith("lead_monitor="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = client.get("/leadview/list/")
    policy = page.headers["Content-Security-Policy"]
    scripts = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert "unsafe-inline" not in scripts
    assert "unsafe-eval" not in scripts
    assert "nonce-" in scripts
    styles = next(part for part in policy.split(";") if part.strip().startswith("style-src"))
    assert "unsafe-inline" not in styles
    assert "camera=()" in page.headers["Permissions-Policy"]
    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["leads.exe", "leads.csv.sh", "leads", "leads.pdf"])
def test_an_upload_of_another_kind_is_refused(
    name: str, login: Callable[..., Person], engine: Engine, app: Flask
) -> None:
    client = login("Manager")
    before = fingerprint(engine)
    answer = client.submit("/importbatchview/upload", {"file": (io.BytesIO(b"x"), name)})
    assert answer.status_code == 200
    assert fingerprint(engine) == before
    assert not list(app.config["SETTINGS"].data_dir.glob("uploads/*"))


def test_an_upload_that_is_too_large_is_refused(
    login: Callable[..., Person], app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "SETTINGS", dataclasses.replace(app.config["SETTINGS"], max_upload_mb=1))
    client = login("Manager")
    answer = client.submit("/importbatchview/upload", {"file": (io.BytesIO(b"x" * (2 << 20)), "leads.csv")})
    assert answer.status_code == 413
    assert answer.headers["X-Request-ID"]
    assert answer.headers["X-Request-ID"] in answer.text


ODD = [
    "/leadview/list/?page_LeadView=abc",
    "/leadview/list/?page_LeadView=-1",
    "/leadview/list/?psize_LeadView=1000000",
    "/leadview/list/?psize_LeadView=0",
    "/leadview/list/?_oc_LeadView=phone_cipher&_od_LeadView=asc",
    "/leadview/list/?_oc_LeadView=nothing&_od_LeadView=asc",
    "/leadview/list/?_flt_9_name=x",
    "/leadview/list/?_flt_0_created_at=yesterday",
    "/leadview/list/?_flt_0_phone_index=12",
    "/hitview/list/?_flt_0_score=much",
    "/leadview/show/abc",
    "/leadview/show/99999999999999999999",
    "/leadview/show/0",
    "/leadview/edit/1 or 1=1",
    "/api/v1/leads/abc",
    "/leadview/list/?_flt_0_id_hash=a",
    "/api/v1/leads/?q=(page_size:100000)",
    "/api/v1/leads/?q=(page:-1)",
    "/api/v1/leads/?q=(((",
    "/api/v1/hits/?q=(page:99999999999999999999999)",
    "/leadview/list/?_flt_0_name=%00",
    "/leadview/show/%00",
    "/nothing/here",
]


@pytest.mark.parametrize("path", ODD)
def test_odd_arguments_get_an_answer_not_an_error(
    path: str, world: World, login: Callable[..., Person]
) -> None:
    answer = login("Admin").get(path)
    assert answer.status_code in (200, 400, 404), answer.status_code
    if path.startswith(("/leadview/list/", "/hitview")):
        assert answer.status_code == 400


def test_a_nul_is_refused_everywhere(app: Flask, login: Callable[..., Person]) -> None:
    nobody = Person(app, app.response_class, use_cookies=True)
    assert nobody.submit("/login/", {"username": "a\0", "password": "x"}).status_code == 400
    assert login("Admin").submit("/ruleview/add", {"code": "R-1", "name": "a\0"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "name", "row"),
    [
        ("/jobrunview/action_post", "rerun", "run"),
        ("/ruleview/action_post", "draft", "rule"),
        ("/ruleview/action_post", "retire", "rule"),
        ("/importbatchview/action_post", "undo", "batch"),
        ("/leadview/action/export/{row}", "", "lead_home"),
        ("/leadview/action/delete_many/{row}", "", "lead_home"),
    ],
)
def test_an_action_runs_only_where_it_is_offered(
    path: str, name: str, row: str, world: World, login: Callable[..., Person], engine: Engine
) -> None:
    admin = login("Admin")
    before = fingerprint(engine)
    key = str(world.ids[row])
    assert admin.submit(path.format(row=key), {"action": name, "rowid": [key]}).status_code == 404
    assert fingerprint(engine) == before


def test_the_last_administrator_stays(login: Callable[..., Person], session: Session) -> None:
    admin = login("Admin", username="root")
    me = session.scalars(select(Staff.id).where(Staff.username == "root")).one()
    role = session.scalars(select(Role.id).where(Role.name == "Auditor")).one()
    form = {"last_name": "测", "first_name": "试", "email": "root@example.com", "language": "en"}
    for change in ({"roles": "1"}, {"roles": str(role), "active": "y"}):
        answer = admin.submit(f"/users/edit/{me}", {**form, **change})
        assert answer.status_code == 200
        assert "last administrator" in answer.text
    assert admin.get("/users/list/").status_code == 200
    make_staff(session, "second", "Admin")
    change = {"roles": str(role), "active": "y", "access_reason": "handing over"}
    assert admin.submit(f"/users/edit/{me}", {**form, **change}).status_code == 302


def test_a_marketer_needs_a_branch(login: Callable[..., Person], session: Session) -> None:
    role = session.scalars(select(Role.id).where(Role.name == "Marketer")).one()
    form = {
        "username": "new",
        "last_name": "新",
        "first_name": "人",
        "email": "n@example.com",
        "roles": str(role),
        "language": "zh",
        "active": "y",
        "password": "Another-Pass-word-2027",
        "conf_password": "Another-Pass-word-2027",
    }
    answer = login("Admin").submit("/users/add", form)
    assert answer.status_code == 200
    assert "Choose the branch" in answer.text


def test_what_another_person_saved_is_not_overwritten_unseen(
    world: World, login: Callable[..., Person], session: Session
) -> None:
    operators = login("DataOperator"), login("DataOperator")
    path = f"/institutionview/edit/{world.ids['institution']}"
    seen = re.search(r'name="seen" value="([0-9a-f]+)"', operators[0].get(path).text)
    assert seen is not None
    form = {"name": "甲改", "category": "bank", "region": "", "seen": seen[1]}
    assert operators[0].submit(path, form).status_code == 302
    refused = operators[1].submit(path, {**form, "name": "乙改"})
    assert refused.status_code == 200
    assert "Somebody else" in refused.text
    assert "乙改" in refused.text
    assert session.get_one(Institution, world.ids["institution"]).name == "甲改"
    again = re.search(r'name="seen" value="([0-9a-f]+)"', refused.text)
    assert again is not None
    assert operators[1].submit(path, {**form, "name": "乙改", "seen": again[1]}).status_code == 302


def test_an_unknown_action_is_not_there(world: World, login: Callable[..., Person]) -> None:
    client = login("Admin")
    assert client.submit("/leadview/action_post", {"action": "nothing", "rowid": ["1"]}).status_code == 404
    assert client.submit("/leadview/action_post", {"action": "export"}).status_code == 404


def test_an_error_names_its_request_and_hides_its_cause(
    app: Flask, login: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    client = login("Admin")
    monkeypatch.setitem(app.view_functions, "LeadView.list", broken)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    answer = client.get("/leadview/list/")
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] in answer.text
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text


def test_an_exported_cell_is_no_formula(world: World, login: Callable[..., Person], session: Session) -> None:
    session.execute(Lead.__table__.update().values(name="=HYPERLINK(1)"))
    session.commit()
    answer = login("Manager").submit(
        "/leadview/action_post", {"action": "export", "rowid": [str(world.ids["lead_home"])]}
    )
    assert "'=HYPERLINK(1)" in answer.text
    assert "138****0001" in answer.text
    assert "13800000001" not in answer.text


def test_probes_need_no_log_in(app: Flask) -> None:
    for probe in ("/healthz", "/readyz"):
        assert app.test_client().get(probe).get_json() == {"status": "ok"}


def test_without_a_database_the_process_is_alive_but_not_ready(settings: Settings) -> None:
    away = dataclasses.replace(settings, database_url="postgresql+psycopg://nobody@127.0.0.1:1/x")
    client = create_web(dataclasses.replace(away, https_only=True, app_env="production")).test_client()
    client.set_cookie("lead_monitor", "A" * 43)
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503


def test_nothing_is_complained_about_at_the_start(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        create_web(settings)
    assert caplog.messages == []
