"""Rules of passwords: long, not to be guessed, none of the last twelve."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask_appbuilder.cli import fab
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash

from app.models import Staff
from tests.conftest import PASSWORD, Person, make_staff

GOOD = "violet kettle 7 orbits"


def _change(client: Person, present: str, new: str) -> str:
    """Change one's own password. Return the answer's text, empty when it was accepted."""
    form = {"present": present, "password": new, "conf_password": new}
    answer = client.submit("/resetmypassword/form", form)
    return "" if answer.status_code == 302 else str(answer.text)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("kQ7#vb!2zP9$wL", "at least 15 characters"),
        ("x" * 129, "at most 128 characters"),
        ("password1234567", "easy to guess"),
        ("P@ssw0rd!P@ssw0rd!", "easy to guess"),
        ("qwertyuiopasdfghjkl", "easy to guess"),
        ("abcabcabcabcabcabcabc", "easy to guess"),
        ("boss@example.com", "easy to guess"),
    ],
)
def test_a_bad_password_is_refused_with_the_reason(
    password: str, why: str, login: Callable[..., Person], session: Session
) -> None:
    boss = login("Manager", username="boss")
    assert why in _change(boss, PASSWORD, password)
    session.expire_all()
    assert check_password_hash(session.query(Staff).one().password, PASSWORD)


@pytest.mark.parametrize(
    "password", [GOOD, "correct horse battery staple", "八月十五 骑车去 打翻了 三次酱油"]
)
def test_words_are_enough_without_capitals_digits_or_signs(
    password: str, login: Callable[..., Person]
) -> None:
    assert _change(login("Manager"), PASSWORD, password) == ""


def test_none_of_the_last_twelve_is_taken_again(login: Callable[..., Person], session: Session) -> None:
    boss, present = login("Manager"), PASSWORD
    for n in range(12):
        new = f"{GOOD} {n * 7919}"
        assert _change(boss, present, new) == ""
        assert "had this password before" in _change(boss, new, new)
        present = new
    assert "had this password before" in _change(boss, present, f"{GOOD} 0")
    assert _change(boss, present, PASSWORD) == "", "thirteen changes ago"
    assert session.scalar(text("SELECT count(*) FROM former_password")) == 11


def test_the_rules_hold_for_everybody_who_sets_a_password(
    app: Flask, login: Callable[..., Person], session: Session
) -> None:
    admin = login("Admin", username="root")
    other = make_staff(session, "other", "Manager")
    weak = {"password": "password1234567", "conf_password": "password1234567"}
    assert "easy to guess" in admin.submit(f"/resetpassword/form?pk={other.id}", weak).text
    person = {
        "username": "third",
        "last_name": "陈",
        "first_name": "明",
        "email": "third@example.com",
        "language": "en",
        "active": "y",
        "access_reason": "new colleague",
        **weak,
        "roles": [str(session.scalar(text("SELECT id FROM ab_role WHERE name = 'Manager'")))],
    }
    assert "easy to guess" in admin.submit("/users/add", person).text
    session.expire_all()
    assert session.query(Staff).filter_by(username="third").count() == 0
    for words in (
        ["reset-password", "--username", "other", "--password", "password1234567"],
        [
            *("create-admin", "--username", "third", "--firstname", "三", "--lastname", "张"),
            *("--email", "t@example.com", "--password", "password1234567"),
        ],
    ):
        result = app.test_cli_runner().invoke(fab, words)
        assert result.exit_code == 1
        assert "easy to guess" in result.stderr
    session.expire_all()
    assert check_password_hash(session.query(Staff).filter_by(username="other").one().password, PASSWORD)
    assert session.query(Staff).filter_by(username="third").count() == 0
