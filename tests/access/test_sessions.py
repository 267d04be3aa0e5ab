"""A log-in ends for good, wherever its cookie was copied to; polls keep none alive."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app import retention
from app.access.keys import create_key
from app.lib import clock
from app.models import Staff
from app.reminders import run_checks
from config import Settings
from tests.access.world import World
from tests.conftest import PASSWORD, Person, make_staff

COOKIE = "lead_monitor"
NEW = "Another-Pass-word-2027"
PAGE = "/leadview/list/"


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def boss(app: Flask, session: Session) -> Person:
    """A manager who logged in by the form."""
    make_staff(session, "boss", "Manager")
    return _logged_in(app, "boss")


def _logged_in(app: Flask, name: str, password: str = PASSWORD) -> Person:
    client = Person(app, app.response_class, use_cookies=True)
    client.submit("/login/", {"username": name, "password": password})
    return client


def _copy(client: Person) -> Person:
    """Another browser with a copy of the cookie."""
    thief = Person(client.application, client.application.response_class, use_cookies=True)
    thief.set_cookie(COOKIE, _token(client))
    return thief


def _token(client: Person) -> str:
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    return cookie.value


def _is_in(client: Person) -> bool:
    return client.get(PAGE).status_code == 200


def _run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_logging_out_ends_a_copied_cookie(boss: Person) -> None:
    thief = _copy(boss)
    assert _is_in(thief)
    boss.submit("/logout/")
    assert not _is_in(thief)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ab_user SET password = 'x' WHERE username = 'boss'",
        "UPDATE ab_user SET active = false WHERE username = 'boss'",
        "UPDATE ab_user SET branch_id = (SELECT id FROM branch WHERE code = 'X') WHERE username = 'boss'",
        "UPDATE ab_user_role SET role_id = (SELECT id FROM ab_role WHERE name = 'Admin')"
        " WHERE user_id = (SELECT id FROM ab_user WHERE username = 'boss')",
        "DELETE FROM ab_user_role WHERE user_id = (SELECT id FROM ab_user WHERE username = 'boss')",
    ],
)
def test_a_change_of_access_by_any_way_ends_the_log_ins_of_that_person(
    change: str, app: Flask, boss: Person, session: Session, engine: Engine
) -> None:
    other = make_staff(session, "other", "Manager")
    colleague = _logged_in(app, other.username)
    _run(engine, "INSERT INTO branch (code, name, path) VALUES ('X', '支行', '/X/')")
    before = session.scalar(text("SELECT count(*) FROM login_session"))
    _run(engine, change)
    session.commit()
    assert (before, session.scalar(text("SELECT count(*) FROM login_session"))) == (2, 1)
    # Put back, the log-in does not come back.
    _run(engine, "UPDATE ab_user SET active = true")
    assert not _is_in(boss)
    assert _is_in(colleague)


def test_what_changes_nothing_of_access_ends_nothing(boss: Person, engine: Engine) -> None:
    _run(engine, "UPDATE ab_user SET language = 'zh', login_count = 7, active = active, password = password")
    assert _is_in(boss)


def test_ones_own_password_goes_on_under_a_new_token(app: Flask, boss: Person) -> None:
    elsewhere, thief, before = _logged_in(app, "boss"), _copy(boss), _token(boss)
    form = {"present": PASSWORD, "password": NEW, "conf_password": NEW}
    assert boss.submit("/resetmypassword/form", form).status_code == 302
    assert _is_in(boss)
    assert _token(boss) != before
    assert not _is_in(elsewhere)
    assert not _is_in(thief)


def test_a_log_in_has_a_token_that_nobody_knew_before(app: Flask, session: Session) -> None:
    make_staff(session, "boss", "Manager")
    client = Person(app, app.response_class, use_cookies=True)
    client.get("/login/")
    visitor = _copy(client)
    planted = "A" * 43
    client.set_cookie(COOKIE, planted)
    client.submit("/login/", {"username": "boss", "password": PASSWORD})
    assert _is_in(client)
    assert _token(client) != planted
    assert not _is_in(visitor)


def test_the_cookie_is_a_token_of_which_the_database_has_the_hash(boss: Person, session: Session) -> None:
    token = _token(boss)
    assert re.fullmatch(r"[\w-]{43}", token)
    found = session.execute(text("SELECT encode(token_hash, 'escape'), data FROM login_session")).one()
    assert token not in "".join(found)
    assert session.scalar(
        text("SELECT token_hash = sha256(convert_to(:token, 'UTF8')) FROM login_session"), {"token": token}
    )


def test_a_signed_cookie_logs_nobody_in(app: Flask, session: Session) -> None:
    person = make_staff(session, "boss", "Manager")
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    client = Person(app, app.response_class, use_cookies=True)
    client.set_cookie(COOKIE, str(signer.dumps({"_user_id": str(person.id), "_fresh": True})))
    assert not _is_in(client)


def test_visitors_write_no_rows_and_pages_opened_are_not_kept(
    app: Flask, boss: Person, session: Session
) -> None:
    visitor = Person(app, app.response_class, use_cookies=True)
    visitor.get("/login/")
    visitor.submit("/login/", {"username": "boss", "password": "wrong"})
    boss.get(f"{PAGE}?_flt_0_lead_no=7777777")
    rows = session.execute(text("SELECT data FROM login_session")).scalars().all()
    assert len(rows) == 1
    assert "7777777" not in rows[0]


def test_an_idle_log_in_ends(boss: Person, engine: Engine) -> None:
    for minutes, is_in in ((14, True), (14, True), (17, False)):
        _run(engine, f"UPDATE login_session SET last_seen_at = now() - interval '{minutes} minutes'")
        assert _is_in(boss) is is_in


def test_the_shortest_idle_time_logs_nobody_out_at_work(app: Flask, boss: Person, engine: Engine) -> None:
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], idle_minutes=1)
    # A request just before the minute was over is not recorded; the next one comes half a minute later.
    for seconds, is_in in ((59, True), (89, True), (59, True), (121, False)):
        _run(engine, f"UPDATE login_session SET last_seen_at = now() - interval '{seconds} seconds'")
        assert _is_in(boss) is is_in


def test_a_log_in_ends_after_its_longest_time_however_busy(boss: Person, engine: Engine) -> None:
    _run(engine, "UPDATE login_session SET created_at = now() - interval '11 hours 59 minutes'")
    assert _is_in(boss)
    _run(engine, "UPDATE login_session SET created_at = now() - interval '12 hours'")
    assert not _is_in(boss)


def test_polls_do_not_renew_and_requests_are_noted_once_a_minute(
    boss: Person, session: Session, engine: Engine
) -> None:
    seen = text("SELECT last_seen_at FROM login_session")
    _run(engine, "UPDATE login_session SET last_seen_at = now() - interval '14 minutes'")
    idle = session.scalar(seen)
    assert boss.get("/reminderview/unread").status_code == 200
    session.commit()
    assert session.scalar(seen) == idle
    boss.get(PAGE)
    session.commit()
    noted = session.scalar(seen)
    assert noted is not None
    assert noted > idle
    boss.get(PAGE)
    session.commit()
    assert session.scalar(seen) == noted


def test_the_bell_and_the_progress_of_every_job_are_polls(app: Flask) -> None:
    asked = {name for name in app.view_functions if name.endswith((".progress", ".unread", ".left"))}
    assert len(asked) > 5
    assert [name for name in asked if not getattr(app.view_functions[name], "is_poll", False)] == []


def test_a_log_in_ended_meanwhile_is_not_begun_again(
    login: Callable[..., Person], session: Session, engine: Engine
) -> None:
    """A sole administrator's change of the own roles is in force at once."""
    admin = login("Admin", username="root")
    person = session.query(Staff).filter_by(username="root").one()
    roles = session.scalars(text("SELECT id FROM ab_role WHERE name IN ('Admin', 'Auditor')")).all()
    form = {
        "last_name": "测",
        "first_name": "试",
        "email": "root@example.com",
        "language": "en",
        "active": "y",
        "roles": [str(role) for role in roles],
        "access_reason": "both",
    }
    assert admin.submit(f"/users/edit/{person.id}", form).status_code == 302
    assert session.scalar(text("SELECT count(*) FROM login_session")) == 0
    assert "only one administrator" in admin.get("/login/").text
    assert not _is_in(admin)


def test_the_profile_lists_ones_log_ins_and_ends_them_all(
    app: Flask, boss: Person, session: Session, login: Callable[..., Person], engine: Engine
) -> None:
    elsewhere = Person(app, app.response_class, use_cookies=True)
    elsewhere.submit(
        "/login/",
        {"username": "boss", "password": PASSWORD},
        headers={"User-Agent": FIREFOX},
        environ_base={"REMOTE_ADDR": "10.9.8.7"},
    )
    colleague = login("Marketer")
    page = boss.get("/users/userinfo/").text
    assert page.count(">this browser<") == 1
    assert ">Firefox 140 · Linux</span>" in page
    assert f'title="{FIREFOX}"' in page
    assert page.count(">Unknown<") == 1, "of the tests' own client nobody knows more"
    assert "10.9.8.7" in page
    person = session.query(Staff).filter_by(username="boss").one()
    assert colleague.submit(f"/users/action/endsessions/{person.id}").status_code == 404
    assert _is_in(elsewhere)
    assert boss.submit(f"/users/action/endsessions/{person.id}").headers["Location"] == "/"
    assert "logged out everywhere" in boss.get("/login/").text
    assert not _is_in(elsewhere)
    assert not _is_in(boss)
    assert _is_in(colleague)
    ended = text("SELECT changes, actor FROM change_log WHERE kind = 'logged_out_everywhere'")
    assert session.execute(ended).one() == ({"sessions": 2}, "boss")


def _left(client: Person) -> int:
    return int(client.get("/loginsessionview/left").json["seconds"])


def test_a_page_learns_how_long_the_log_in_lasts_and_prolongs_it_when_asked(
    boss: Person, engine: Engine
) -> None:
    _run(engine, "UPDATE login_session SET last_seen_at = now() - interval '14 minutes'")
    assert 60 < _left(boss) <= 120
    assert 60 < _left(boss) <= 120
    assert 900 < boss.submit("/loginsessionview/stay").json["seconds"] <= 960
    assert 900 < _left(boss) <= 960
    _run(engine, "UPDATE login_session SET created_at = now() - interval '11 hours 59 minutes'")
    assert 0 < _left(boss) <= 60
    _run(engine, "DELETE FROM login_session")
    assert boss.get("/loginsessionview/left").status_code == 401


def test_each_sees_and_ends_their_own_log_ins_and_an_administrator_anybodys(
    app: Flask, boss: Person, session: Session, login: Callable[..., Person]
) -> None:
    elsewhere = _logged_in(app, "boss")
    admin, auditor, colleague = (login(role, username=role) for role in ("Admin", "Auditor", "Marketer"))
    newest = "SELECT max(id) FROM login_session WHERE user_id = (SELECT id FROM ab_user WHERE username = :u)"

    def row(name: str) -> int:
        return int(session.scalar(text(newest), {"u": name}) or 0)

    def listed(client: Person) -> set[str]:
        return set(re.findall(r"<code[^>]*>(\w+)</code>", client.get("/loginsessionview/list/").text))

    assert listed(boss) == {"boss"}
    assert listed(admin) == listed(auditor) == {"boss", "Admin", "Auditor", "Marketer"}
    end = f"/loginsessionview/action/end/{row('boss')}"
    assert colleague.submit(end).status_code == 404
    assert auditor.submit(end).status_code in (403, 404)
    assert _is_in(elsewhere)
    assert boss.submit(end).status_code == 302
    assert not _is_in(elsewhere)
    assert _is_in(boss)
    assert admin.submit(f"/loginsessionview/action/end/{row('boss')}").status_code == 302
    assert not _is_in(boss)
    ended = text("SELECT actor, title FROM change_log WHERE kind = 'session_ended' ORDER BY id")
    assert session.execute(ended).all() == [("boss", "boss"), ("Admin", "boss")]


def test_a_log_in_at_another_browser_rings_for_its_person(app: Flask, boss: Person, session: Session) -> None:
    def rings() -> list[str]:
        with app.app_context():
            run_checks(clock.now())
        session.commit()
        found = session.scalars(text("SELECT values ->> 'address' FROM reminder WHERE kind = 'device'"))
        return list(found)

    assert rings() == [], "the first one is the person's own"
    boss.submit("/logout/")
    boss.submit("/login/", {"username": "boss", "password": PASSWORD})
    assert rings() == [], "this browser is known"
    stranger = Person(app, app.response_class, use_cookies=True)
    form = {"username": "boss", "password": PASSWORD}
    stranger.submit("/login/", form, environ_base={"REMOTE_ADDR": "10.9.8.7"})
    assert rings() == ["10.9.8.7"]
    assert "10.9.8.7" in boss.get("/reminderview/list/").text


def test_an_api_key_has_no_session(app: Flask, world: World, session: Session) -> None:
    with app.app_context():
        key = create_key("crm")["key"]
    answer = app.test_client().get("/api/v1/leads/", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    assert session.scalar(text("SELECT count(*) FROM login_session")) == 0


def test_retention_deletes_log_ins_that_are_over(
    app: Flask, boss: Person, session: Session, engine: Engine, settings: Settings
) -> None:
    _run(engine, "UPDATE login_session SET last_seen_at = now() - interval '3 hours'")
    fresh = _logged_in(app, "boss")
    now = session.scalar(text("SELECT now()"))
    assert now is not None
    assert retention.personal_data(engine, settings, now)["sessions"] == 1
    assert _is_in(fresh)
