"""The demo bank's branches and a log-in for each role, for development only."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from flask import Flask
from sqlalchemy import select

from app.demo.logins import LOGINS, DemoLogin
from app.errors import DomainError
from app.extensions import db
from app.leads.branches import update_path
from app.models import Branch, Staff
from config import Settings


class DemoBranch(NamedTuple):
    """A branch of the demo; ``weight`` is its share of the customers."""

    code: str
    name: str
    parent: str | None
    weight: int = 0


BRANCHES = (
    DemoBranch("HQ", "总行", None),
    DemoBranch("HZ", "杭州分行", "HQ"),
    DemoBranch("HZ-BINJIANG", "杭州滨江支行", "HZ", 24),
    DemoBranch("HZ-XIHU", "杭州西湖支行", "HZ", 20),
    DemoBranch("HZ-YUHANG", "杭州余杭支行", "HZ", 14),
    DemoBranch("SH", "上海分行", "HQ"),
    DemoBranch("SH-PUDONG", "上海浦东支行", "SH", 18),
    DemoBranch("SH-XUHUI", "上海徐汇支行", "SH", 10),
    DemoBranch("NJ", "南京分行", "HQ"),
    DemoBranch("NJ-GULOU", "南京鼓楼支行", "NJ", 14),
)


#: marketers of the other branches, so that every hit can have an owner; nobody can log in as one
COLLEAGUES = (
    DemoLogin("Marketer", "sun.li", "", "孙", "丽", "HZ"),
    DemoLogin("Marketer", "he.min", "", "何", "敏", "SH"),
    DemoLogin("Marketer", "luo.qiang", "", "罗", "强", "NJ"),
)


def create_branches() -> None:
    """Create the branch tree and commit. Branches whose code exists are left as they are."""
    branches = {branch.code: branch for branch in db.session.scalars(select(Branch))}
    for planned in BRANCHES:
        if planned.code not in branches:
            branch = Branch(code=planned.code, name=planned.name, parent=branches.get(planned.parent or ""))
            db.session.add(branch)
            update_path(branch)
            branches[planned.code] = branch
    db.session.commit()


def create_logins(app: Flask) -> bool:
    """Create the demo log-ins, all or none. Return False in production, or when anybody has a log-in already.

    A user belongs to the demo's branch if the database has it.
    """
    settings: Settings = app.config["SETTINGS"]
    if settings.production:
        return False
    with app.app_context():
        if db.session.scalar(select(Staff.id).limit(1)) is not None:
            return False
        for login in (*LOGINS, *COLLEAGUES):
            _create(app.appbuilder.sm, login)  # type: ignore[attr-defined]
        db.session.commit()
    return True


def _create(manager: Any, login: DemoLogin) -> None:
    user = manager.add_user(
        login.username,
        login.given_name,
        login.family_name,
        f"{login.username}@example.com",
        manager.find_role(login.role),
        login.password or secrets.token_urlsafe(32),
        commit=False,
    )
    if not user:
        raise DomainError("The demo log-in %(name)s can't be made; see the log.", name=login.username)
    user.branch = db.session.scalar(select(Branch).where(Branch.code == login.branch))
    user.language = "zh"
