"""Access of log-ins and permissions of roles: a second administrator decides, wherever there is one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask_appbuilder.security.sqla.models import PermissionView, Role
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Approval, Staff
from tests.access.world import World
from tests.conftest import PASSWORD, Person

Logins = Callable[..., Person]


@pytest.fixture
def person(login: Callable[..., Person]) -> Logins:
    def find(name: str, role: str = "Admin") -> Person:
        return login(role, username=name, language="zh")

    return find


def again(app: Flask, name: str) -> Person:
    """Somebody who has a log-in already, by the log-in page."""
    found = Person(app, app.response_class, use_cookies=True)
    assert found.submit("/login/", {"username": name, "password": PASSWORD}).status_code == 302
    return found


def role_id(session: Session, name: str) -> int:
    return session.scalars(select(Role.id).where(Role.name == name)).one()


def found(session: Session, name: str) -> Staff:
    session.rollback()
    session.expire_all()
    return session.scalars(select(Staff).where(Staff.username == name)).one()


def roles_of(session: Session, name: str) -> set[str]:
    return {role.name for role in found(session, name).roles}


def change(session: Session, world: World, by: Person, roles: list[str], **more: str) -> str:
    """Set the roles of ``somebody`` on the form; what the person is told."""
    data = {
        "first_name": "某",
        "last_name": "某",
        "email": "s@example.com",
        "language": "zh",
        "active": "y",
        "branch": str(world.ids["home"]),
        "roles": [str(role_id(session, name)) for name in roles],
    }
    path = f"/users/edit/{world.ids['staff']}"
    return by.submit(path, data | more, follow_redirects=True).text


def waiting(session: Session) -> Approval | None:
    session.expire_all()
    mine = Approval.kind.in_(["role_change", "role_permissions"])
    return session.scalars(select(Approval).where(mine, Approval.status == "waiting")).one_or_none()


def test_another_administrator_gives_the_roles(world: World, person: Logins, session: Session) -> None:
    maker, checker = person("maker"), person("checker")
    assert "请说明" in change(session, world, maker, ["Manager"])
    assert waiting(session) is None, "a reason is needed"
    change(session, world, maker, ["Manager"], access_reason="轮岗")
    assert roles_of(session, "somebody") == set()
    asked = waiting(session)
    assert asked is not None
    page = checker.get(f"/approvalview/show/{asked.id}").text
    assert "营销主管" in page
    assert "轮岗" in page
    maker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert roles_of(session, "somebody") == set()
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert roles_of(session, "somebody") == {"Manager"}


def test_a_manager_does_not_decide_about_roles(world: World, person: Logins, session: Session) -> None:
    maker, manager = person("maker"), person("manager", "Manager")
    person("checker")
    change(session, world, maker, ["Manager"], access_reason="轮岗")
    asked = waiting(session)
    assert asked is not None
    manager.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert roles_of(session, "somebody") == set()


def test_the_only_administrator_is_not_locked_out(world: World, person: Logins, session: Session) -> None:
    change(session, world, person("maker"), ["Manager"])
    assert roles_of(session, "somebody") == {"Manager"}


def test_nobody_becomes_the_only_administrator_alone(world: World, person: Logins, session: Session) -> None:
    maker = person("maker")
    person("checker")
    checker = found(session, "checker")
    data = {"first_name": "测", "last_name": "试", "email": checker.email, "language": "zh"}
    data |= {"roles": str(role_id(session, "Admin")), "access_reason": "停用"}
    maker.submit(f"/users/edit/{checker.id}", data)
    assert found(session, "checker").active
    assert waiting(session) is not None


def test_a_new_log_in_waits_without_roles_and_can_not_decide_for_its_maker(
    app: Flask, world: World, person: Logins, session: Session
) -> None:
    maker, checker = person("maker"), person("checker")
    data = {
        "username": "puppet",
        "first_name": "木",
        "last_name": "偶",
        "email": "p@example.com",
        "language": "zh",
        "active": "y",
        "password": PASSWORD,
        "conf_password": PASSWORD,
        "roles": str(role_id(session, "Admin")),
        "access_reason": "新同事",
    }
    maker.submit("/users/add", data)
    assert roles_of(session, "puppet") == set()
    asked = waiting(session)
    assert asked is not None
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert roles_of(session, "puppet") == {"Admin"}
    change(session, world, maker, ["Manager"], access_reason="轮岗")
    asked = waiting(session)
    assert asked is not None
    answer = again(app, "puppet").submit(
        f"/approvalview/approve/{asked.id}", {"note": ""}, follow_redirects=True
    )
    assert "须由他人审批" in answer.text
    assert roles_of(session, "somebody") == set()


def test_who_was_given_a_password_does_not_decide_for_the_giver(
    app: Flask, world: World, person: Logins, session: Session
) -> None:
    maker = person("maker")
    person("checker")
    change(session, world, maker, ["Manager"], access_reason="轮岗")
    checker = found(session, "checker")
    maker.submit(f"/resetpassword/form?pk={checker.id}", {"password": PASSWORD, "conf_password": PASSWORD})
    asked = waiting(session)
    assert asked is not None
    again(app, "checker").submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert roles_of(session, "somebody") == set()


def test_permissions_of_a_role(world: World, person: Logins, session: Session) -> None:
    maker, checker = person("maker"), person("checker")
    wanted = session.scalars(
        select(PermissionView).join(PermissionView.permission).join(PermissionView.view_menu)
    ).all()
    pair = next(p for p in wanted if (p.permission.name, p.view_menu.name) == ("can_list", "LeadView"))
    data = {"permissions": [str(pair.id)], "access_reason": "需要查看线索"}
    maker.submit(f"/roles/edit/{world.ids['role']}", data)
    session.expire_all()
    assert session.get_one(Role, world.ids["role"]).permissions == []
    asked = waiting(session)
    assert asked is not None
    assert "线索管理" in checker.get(f"/approvalview/show/{asked.id}").text
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    session.expire_all()
    assert pair.id in {each.id for each in session.get_one(Role, world.ids["role"]).permissions}
