"""Accounts under which one person could act count as one, until their owners choose passwords by mail."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask_appbuilder.cli import fab
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.access import taints
from app.extensions import db
from app.models import AccountTaint, Approval, ChangeLog, PasswordLink, Staff
from tests import clock
from tests.access.world import World
from tests.approvals.test_access import Logins, again, found, own_password, role_id, roles_of
from tests.conftest import PASSWORD, Person
from tests.postbox import Postbox

OWN = "Chosen-By-owner-2027"


def set_up(
    session: Session, world: World, user: Person, name: str, role: str, password: str = PASSWORD
) -> int:
    """Create a log-in on the form. Return its id."""
    data = {
        "username": name,
        "first_name": "新",
        "last_name": "人",
        "email": f"{name}@bank.example",
        "language": "zh",
        "active": "y",
        "branch": str(world.ids["home"]),
        "roles": str(role_id(session, role)),
        "access_reason": "入职",
        "password": password,
        "conf_password": password,
    }
    user.submit("/users/add", data)
    return found(session, name).id


def token_of(postbox: Postbox, to: str) -> str:
    """Return the secret in the newest mail to an address."""
    mail = [each for each in postbox.mails if each["To"] == to][-1]
    body = mail.get_body(("plain",)).get_content()
    return re.findall(r"https://lm\.bank\.example/password/choose#(\S+)", body)[0]


def choose(app: Flask, token: str, password: str = OWN) -> str:
    """Choose a password through a link without being logged in. Return the page that follows."""
    browser = Person(app, app.response_class, use_cookies=True)
    new = {"token": token, "password": password, "conf_password": password}
    return browser.submit("/password/choose", new, follow_redirects=True).text


def enter(app: Flask, name: str, password: str) -> Person:
    browser = Person(app, app.response_class, use_cookies=True)
    assert browser.submit("/login/", {"username": name, "password": password}).status_code == 302
    return browser


def ask(world: World, user: Person) -> int:
    answer = user.submit(f"/ruleversionview/submit/{world.ids['draft']}", {"reason": "更合适"})
    return int(answer.headers["Location"].rsplit("/", 1)[1])


def status(session: Session, asked: int) -> str:
    session.rollback()
    return session.get_one(Approval, asked, populate_existing=True).status


def test_two_accounts_of_one_administrator_decide_for_each_other_only_once_their_owners_chose(
    app: Flask, world: World, person: Logins, session: Session, postbox: Postbox
) -> None:
    chief = person("chief")
    for name in ("one", "two"):
        set_up(session, world, chief, name, "Manager")
        assert roles_of(session, name) == {"Manager"}
    one, two = (again(app, name) for name in ("one", "two"))
    for each in (one, two):
        own_password(each)
    asked = ask(world, one)
    for each in (two, chief):
        shown = each.get(f"/approvalview/show/{asked}").text
        assert f"/approvalview/approve/{asked}" not in shown
        each.submit(f"/approvalview/approve/{asked}", {"note": ""})
        assert status(session, asked) == "waiting"
    assert "测试 可能同时以您和 人新 的名义操作" in two.get(f"/approvalview/show/{asked}").text
    chief.submit(f"/users/action/sendlink/{found(session, 'two').id}")
    assert "设置您的密码" in choose(app, token_of(postbox, "two@bank.example"), "short")
    assert "请用新密码登录" in choose(app, token_of(postbox, "two@bank.example"))
    assert two.get("/leadview/list/").status_code == 302, "the session of the old password has ended"
    enter(app, "two", OWN).submit(f"/approvalview/approve/{asked}", {"note": ""})
    assert status(session, asked) == "approved", "one is chief's, two is not"
    chosen = session.scalars(select(ChangeLog).where(ChangeLog.kind == "password_chosen")).one()
    assert (chosen.actor, chosen.title) == ("two", "two")


def test_a_new_person_gets_the_link_in_place_of_a_password(
    app: Flask, world: World, person: Logins, session: Session, postbox: Postbox
) -> None:
    chief = person("chief")
    set_up(session, world, chief, "new", "Manager", password="")
    new = found(session, "new")
    assert new.password_given
    link = session.scalars(select(PasswordLink)).one()
    token = token_of(postbox, "new@bank.example")
    assert (link.person_id, link.sent_to, link.created_by) == (new.id, "new@bank.example", "chief")
    assert token not in link.token_hash, "only its hash is kept"
    assert session.scalars(select(AccountTaint.by_id)).all() == [found(session, "chief").id]
    choose(app, token)
    assert session.scalars(select(AccountTaint)).all() == []
    assert enter(app, "new", OWN).get("/leadview/list/").status_code == 200


@pytest.mark.parametrize("spoilt", ["used", "expired", "replaced", "wrong", "address", "off"])
def test_a_link_works_once_and_in_time(
    spoilt: str, app: Flask, world: World, person: Logins, session: Session, postbox: Postbox
) -> None:
    chief = person("chief")
    person("other", "Manager")
    other = found(session, "other")
    chief.submit(f"/users/action/sendlink/{other.id}")
    token = token_of(postbox, "other@example.com")
    if spoilt == "used":
        choose(app, token)
    elif spoilt == "expired":
        session.execute(update(PasswordLink).values(expires_at=clock.now()))
    elif spoilt == "replaced":
        chief.submit(f"/users/action/sendlink/{other.id}")
    elif spoilt == "wrong":
        token = token.swapcase()
    elif spoilt == "address":
        session.execute(update(Staff).where(Staff.id == other.id).values(email="o2@example.com"))
    else:
        session.execute(update(Staff).where(Staff.id == other.id).values(active=False))
    session.commit()
    before = found(session, "other").password
    assert "此链接已使用过、已过期或已被新的链接取代" in choose(app, token, "Another-Password-2028")
    assert found(session, "other").password == before


def to_readdress(session: Session, person: Logins, email: str) -> tuple[Staff, dict[str, str]]:
    """Return a Manager who has logged in before, and a form that changes only their address."""
    person("other", "Manager")
    session.execute(text("UPDATE ab_user SET login_count = 3 WHERE username = 'other'"))
    session.commit()
    form = {
        "first_name": "某",
        "last_name": "某",
        "email": email,
        "language": "zh",
        "active": "y",
        "branch": "__None",
        "roles": str(role_id(session, "Manager")),
    }
    return found(session, "other"), form


def test_who_changed_the_address_alone_still_counts_as_its_owner(
    app: Flask, world: World, person: Logins, session: Session, postbox: Postbox
) -> None:
    chief = person("chief")
    other, form = to_readdress(session, person, "chief2@bank.example")
    assert "请说明" in chief.submit(f"/users/edit/{other.id}", form).text
    chief.submit(f"/users/edit/{other.id}", form | {"access_reason": "换邮箱"})
    assert found(session, "other").email == "chief2@bank.example"
    kept = session.scalars(select(Approval).where(Approval.requested_by == "chief")).one()
    assert (kept.status, kept.changes["zh"]) == (
        "unchecked",
        [["电子邮箱", "other@example.com", "chief2@bank.example"]],
    )
    chief.submit(f"/users/action/sendlink/{other.id}")
    choose(app, token_of(postbox, "chief2@bank.example"))
    asked = ask(world, enter(app, "other", OWN))
    chief.submit(f"/approvalview/approve/{asked}", {"note": ""})
    assert status(session, asked) == "waiting", "the link went where chief alone wanted it to go"


def test_an_address_that_a_second_administrator_agreed_to_is_the_owner_s(
    app: Flask, world: World, person: Logins, session: Session, postbox: Postbox
) -> None:
    chief, second = person("chief"), person("second")
    other, form = to_readdress(session, person, "o2@bank.example")
    chief.submit(f"/users/edit/{other.id}", form | {"access_reason": "换邮箱"})
    assert found(session, "other").email == "other@example.com", "it waits for another administrator"
    waiting = session.scalars(select(Approval.id).where(Approval.requested_by == "chief")).one()
    second.submit(f"/approvalview/approve/{waiting}", {"note": ""})
    assert found(session, "other").email == "o2@bank.example"
    chief.submit(f"/users/action/sendlink/{other.id}")
    choose(app, token_of(postbox, "o2@bank.example"))
    asked = ask(world, enter(app, "other", OWN))
    chief.submit(f"/approvalview/approve/{asked}", {"note": ""})
    assert status(session, asked) == "approved"


def test_what_a_puppet_sets_up_is_its_master_s_too(
    app: Flask, world: World, person: Logins, session: Session, postbox: Postbox
) -> None:
    chief = person("chief")
    set_up(session, world, chief, "puppet", "Admin")
    puppet = again(app, "puppet")
    own_password(puppet)
    person("third", "Manager")
    third = found(session, "third").id
    puppet.submit(f"/resetpassword/form?pk={third}", {"password": PASSWORD, "conf_password": PASSWORD})
    by = session.scalars(select(AccountTaint.by_id).where(AccountTaint.person_id == third)).all()
    assert set(by) == {found(session, "chief").id, found(session, "puppet").id}
    chief.submit(f"/users/action/sendlink/{found(session, 'puppet').id}")
    choose(app, token_of(postbox, "puppet@bank.example"))
    asked = ask(world, chief)
    third_person = again(app, "third")
    own_password(third_person)
    third_person.submit(f"/approvalview/approve/{asked}", {"note": ""})
    assert status(session, asked) == "waiting", "chief could have learned third's password as puppet"


@pytest.mark.parametrize(
    ("language", "said"),
    [("zh", "请先由运维人员设置 SMTP_URL"), ("en", "No link can be sent until SMTP_URL")],
)
def test_without_a_mail_server_the_screen_says_what_to_do(
    language: str,
    said: str,
    world: World,
    login: Callable[..., Person],
    session: Session,
    app: Flask,
) -> None:
    chief = login("Admin", username="chief", language=language)
    login("Manager", username="other", language=language)
    other = found(session, "other").id
    assert said in chief.submit(f"/users/action/sendlink/{other}", follow_redirects=True).text
    told = chief.submit(
        f"/resetpassword/form?pk={other}",
        {"password": PASSWORD, "conf_password": PASSWORD},
        follow_redirects=True,
    )
    assert said in told.text
    assert session.scalars(select(AccountTaint.person_id)).all() == [other]
    words = ["reset-password", "--username", "other", "--password", OWN]
    assert app.test_cli_runner().invoke(fab, words).exit_code == 0
    session.expire_all()
    assert session.scalars(select(AccountTaint)).all() == [], "the operator answers for that password"
    assert said not in chief.get(f"/users/show/{other}").text


def test_a_mail_server_that_refuses_leaves_no_link(
    app: Flask, world: World, person: Logins, session: Session, postbox: Postbox
) -> None:
    chief = person("chief")
    person("other", "Manager")
    other = found(session, "other").id
    chief.submit(f"/users/action/sendlink/{other}")
    postbox.refuse = "451 later"
    told = chief.submit(f"/users/action/sendlink/{other}", follow_redirects=True).text
    assert "邮件发送失败" in told
    assert session.scalars(select(PasswordLink.used_at)).all() == [None]
    assert "请用新密码登录" in choose(app, token_of(postbox, "other@example.com")), (
        "the first one still works"
    )


def test_nobody_cleans_an_account_by_acting_under_it(
    app: Flask, world: World, person: Logins, session: Session
) -> None:
    person("chief")
    person("puppet")
    with app.app_context():
        chief, puppet = (
            db.session.scalars(select(Staff).where(Staff.username == n)).one() for n in ("chief", "puppet")
        )
        taints.add_taint(puppet, chief, taints.ADDRESS, address=True)
        taints.record_address_change(puppet, puppet, checked=False)
        taints.clear(puppet)
        assert taints.actors_of([puppet.id]) == {puppet.id: {puppet.id, chief.id}}
        taints.record_address_change(puppet, puppet, checked=True)
        taints.clear(puppet)
        assert taints.actors_of([puppet.id]) == {puppet.id: {puppet.id}}, (
            "a third person agreed to the address"
        )
        db.session.rollback()
