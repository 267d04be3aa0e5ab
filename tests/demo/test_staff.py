"""Log-ins and branches of the demo."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash

from app.access import passwords
from app.demo.logins import logins
from app.demo.staff import BRANCHES, COLLEAGUES, create_branches, create_logins
from app.models import Branch, Staff
from app.permissions import ROLE_LABELS


def test_every_role_of_staff_has_one_log_in_that_obeys_the_password_rules(app: Flask) -> None:
    people = logins()
    assert sorted(role for role, _, _ in people) == sorted(set(ROLE_LABELS.values()) - {"系统接口"})
    for _role, username, password in people:
        passwords.check(Staff(username=username, first_name="", last_name="", email=""), password)


def test_the_log_ins_work_and_the_marketer_belongs_to_a_branch(app: Flask, session: Session) -> None:
    with app.app_context():
        create_branches()
    assert create_logins(app)
    for role, username, password in logins():
        person = session.scalars(select(Staff).where(Staff.username == username)).one()
        assert [ROLE_LABELS[each.name] for each in person.roles] == [role]
        assert check_password_hash(person.password, password)
        assert person.language == "zh"
    marketer = session.scalars(select(Staff).where(Staff.username == "marketer")).one()
    assert marketer.branch is not None
    assert marketer.branch.name == "杭州滨江支行"
    assert marketer.get_full_name() == "周晓峰"


def test_nobody_is_added_once_somebody_has_a_log_in(app: Flask, session: Session) -> None:
    assert create_logins(app)
    session.delete(session.scalars(select(Staff).where(Staff.username == "auditor")).one())
    session.commit()
    assert not create_logins(app)
    assert session.scalar(select(func.count()).select_from(Staff)) == len(logins()) + len(COLLEAGUES) - 1


def test_the_branch_tree_knows_its_paths_and_is_made_once(app: Flask, session: Session) -> None:
    with app.app_context():
        create_branches()
        create_branches()
    found = {branch.code: branch for branch in session.scalars(select(Branch))}
    assert set(found) == {branch.code for branch in BRANCHES}
    for planned in BRANCHES:
        branch, parent = found[planned.code], found.get(planned.parent or "")
        assert branch.path == f"{parent.path if parent else '/'}{branch.id}/"
