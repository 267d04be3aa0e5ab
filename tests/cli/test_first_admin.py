"""The first administrator of an empty installation, and a lost password."""

from __future__ import annotations

from flask import Flask
from sqlalchemy.orm import Session

from app.models import Staff
from tests.cli.test_sample import separately
from tests.conftest import Person

FIRST, SECOND = "Boss-Pass-word#2026", "Boss-Pass-word#2027"


def test_the_first_administrator_and_a_lost_password(
    app: Flask, sample_env: dict[str, str], session: Session
) -> None:
    names = ("--username", "boss", "--firstname", "三", "--lastname", "张", "--email", "boss@example.com")
    flask = separately(sample_env)
    flask("fab", "create-admin", *names, "--password", FIRST)
    assert [[role.name for role in user.roles] for user in session.query(Staff)] == [["Admin"]]
    old = logged_in(app, FIRST)
    assert old.get("/users/list/").status_code == 200
    flask("fab", "reset-password", "--username", "boss", "--password", SECOND)
    assert old.get("/users/list/").status_code == 302
    assert logged_in(app, SECOND).get("/users/list/").status_code == 200


def logged_in(app: Flask, password: str) -> Person:
    client = Person(app, app.response_class, use_cookies=True)
    client.submit("/login/", {"username": "boss", "password": password})
    return client
