"""The demo's log-ins, for development only."""

from __future__ import annotations

from typing import NamedTuple

from app.permissions import ROLE_LABELS


class DemoLogin(NamedTuple):
    """A member of staff with a well-known password."""

    role: str
    username: str
    password: str
    family_name: str
    given_name: str
    branch: str


LOGINS = (
    DemoLogin("Admin", "admin", "Admin-Demo#2026", "陈", "志远", "HQ"),
    DemoLogin("Manager", "manager", "Manager-Demo#2026", "林", "雅静", "HQ"),
    DemoLogin("Marketer", "marketer", "Marketer-Demo#2026", "周", "晓峰", "HZ-BINJIANG"),
    DemoLogin("DataOperator", "operator", "Operator-Demo#2026", "吴", "建斌", "HQ"),
    DemoLogin("Auditor", "auditor", "Auditor-Demo#2026", "郑", "淑敏", "HQ"),
)


def logins() -> list[tuple[str, str, str]]:
    """Return Chinese role name, user name and password of every demo log-in."""
    return [(ROLE_LABELS[login.role], login.username, login.password) for login in LOGINS]
