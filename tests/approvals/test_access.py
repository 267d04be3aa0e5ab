"""Changes of access and permissions are approved by a second administrator, where there is one."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from flask_appbuilder.security.sqla.models import PermissionView, Role
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Approval, Staff
from tests.access.world import World
from tests.conftest import PASSWORD, Person

Logins = Callable[..., Person]
OWN = "My-Own-password-2027"


def again(app: Flask, name: str) -> Person:
    """Log in somebody who has a log-in already, through the log-in page."""
    found = Person(app, app.response_class, use_cookies=True)
    assert found.submit("/login/", {"username": name, "password": PASSWORD}).status_code == 302
    return found


def own_password(person: Person) -> None:
    """Choose a new password, as everybody must who was given one."""
    new = {"present": PASSWORD, "password": OWN, "conf_password": OWN}
    assert person.submit("/resetmypassword/form", new).status_code == 302


def role_id(session: Session, name: str) -> int:
    return session.scalars(select(Role.id).where(Role.name == name)).one()


def found(session: Session, name: str) -> Staff:
    session.rollback()
    session.expire_all()
    return session.scalars(select(Staff).where(Staff.username == name)).one()


def roles_of(session: Session, name: str) -> set[str]:
    return {role.name for role in found(session, name).roles}


def change(session: Session, world: World, user: Person, roles: list[str], **more: str) -> str:
    """Set the roles of ``somebody`` on the form. Return the page that follows."""
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
    return user.submit(path, data | more, follow_redirects=True).text


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
    maker = person("maker")
    assert "只有一名管理员" in maker.get(f"/users/edit/{world.ids['staff']}").text
    assert "请说明" in change(session, world, maker, ["Manager"])
    assert roles_of(session, "somebody") == set(), "a reason is needed"
    change(session, world, maker, ["Manager"], access_reason="轮岗")
    assert roles_of(session, "somebody") == {"Manager"}
    kept = session.scalars(select(Approval).where(Approval.requested_by == "maker")).one()
    assert (kept.status, kept.reason, kept.decided_by) == ("unchecked", "轮岗", None)
    assert "营销主管" in maker.get(f"/approvalview/show/{kept.id}").text


def test_two_administrators_alone_change_each_other_by_consent(
    world: World, person: Logins, session: Session
) -> None:
    maker, checker = person("maker"), person("checker")
    other = found(session, "checker")
    data = {"first_name": "测", "last_name": "试", "email": other.email, "language": "zh", "active": "y"}
    data |= {"roles": str(role_id(session, "Auditor")), "access_reason": "轮岗"}
    maker.submit(f"/users/edit/{other.id}", data)
    assert roles_of(session, "checker") == {"Admin"}
    asked = waiting(session)
    assert asked is not None
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert roles_of(session, "checker") == {"Auditor"}


def test_a_log_in_of_use_is_not_deleted(world: World, person: Logins, session: Session) -> None:
    maker = person("maker")
    person("checker")
    other = found(session, "checker").id
    assert f"/users/delete/{other}" not in maker.get(f"/users/show/{other}").text
    answer = maker.submit(f"/users/delete/{other}", {}, follow_redirects=True)
    assert "请改为停用" in answer.text
    assert found(session, "checker").active
    maker.submit(f"/users/delete/{world.ids['staff']}", {})
    assert session.get(Staff, world.ids["staff"], populate_existing=True) is None, "it was never of use"


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
    puppet = again(app, "puppet")
    own_password(puppet)
    answer = puppet.submit(f"/approvalview/approve/{asked.id}", {"note": ""}, follow_redirects=True)
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
    checking = again(app, "checker")
    own_password(checking)
    checking.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert roles_of(session, "somebody") == set()


def test_who_set_up_the_one_who_asks_does_not_decide(
    app: Flask, world: World, person: Logins, session: Session
) -> None:
    giver, other = person("giver"), person("other", "Manager")
    person("puppet", "Manager")
    key = found(session, "puppet").id
    giver.submit(f"/resetpassword/form?pk={key}", {"password": PASSWORD, "conf_password": PASSWORD})
    puppet = again(app, "puppet")
    own_password(puppet)
    puppet.submit(f"/ruleversionview/submit/{world.ids['draft']}", {"reason": "更合适"})
    asked = session.scalars(select(Approval.id).where(Approval.requested_by == "puppet")).one()
    shown = giver.get(f"/approvalview/show/{asked}").text
    assert f"/approvalview/approve/{asked}" not in shown
    assert "您创建过 测试 的账号、重置过密码" in shown
    giver.submit(f"/approvalview/approve/{asked}", {"note": ""})
    session.rollback()
    assert session.get_one(Approval, asked, populate_existing=True).status == "waiting"
    other.submit(f"/approvalview/approve/{asked}", {"note": ""})
    session.rollback()
    assert session.get_one(Approval, asked, populate_existing=True).status == "approved"


def test_a_password_that_was_given_opens_nothing_but_the_form_for_an_own_one(
    app: Flask, world: World, person: Logins, session: Session
) -> None:
    giver = person("giver")
    person("worker2", "Manager")
    key = found(session, "worker2").id
    giver.submit(f"/resetpassword/form?pk={key}", {"password": PASSWORD, "conf_password": PASSWORD})
    worker = again(app, "worker2")
    for path in ("/", "/leadview/list/", "/approvalview/list/"):
        assert worker.get(path).headers["Location"] == "/resetmypassword/form"
    assert "请先设置" in worker.get("/resetmypassword/form").text
    same = {"present": PASSWORD, "password": PASSWORD, "conf_password": PASSWORD}
    assert worker.submit("/resetmypassword/form", same).status_code == 200
    own_password(worker)
    assert worker.get("/leadview/list/").status_code == 200


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


def test_a_branch_chosen_on_the_form_is_stored(world: World, person: Logins, session: Session) -> None:
    maker = person("maker")
    change(session, world, maker, ["Manager"], branch=str(world.ids["away"]), access_reason="调动")
    assert found(session, "somebody").branch_id == world.ids["away"]
    checker = person("checker")
    change(session, world, maker, ["Manager"], branch="__None", access_reason="回总行")
    asked = waiting(session)
    assert asked is not None
    assert found(session, "somebody").branch_id == world.ids["away"], "it waits for another administrator"
    assert "AWAY" in checker.get(f"/approvalview/show/{asked.id}").text
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert found(session, "somebody").branch_id is None
