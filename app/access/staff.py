"""Rules about log-ins that hold whoever changes them."""

from __future__ import annotations

from collections.abc import Collection

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import func, select

from app.errors import DomainError
from app.extensions import db
from app.models import Staff

ADMIN = "Admin"


def may_be_deleted(person: Staff) -> bool:
    """Whether a log-in was never of use: others are switched off, which needs a second administrator."""
    return not person.roles and person.last_login is None and not person.login_count


def check_admin_stays(person: Staff, *, active: bool, roles: Collection[str]) -> None:
    """Raise DomainError when the change would leave nobody who is an active administrator."""
    others = (
        select(func.count())
        .select_from(Staff)
        .where(Staff.id != person.id, Staff.active.is_(True), Staff.roles.any(Role.name == ADMIN))
    )
    stays = active and ADMIN in roles
    was = bool(person.active) and any(role.name == ADMIN for role in person.roles)
    if was and not stays and not db.session.scalar(others):
        raise DomainError("%(name)s is the last administrator; make another one first.", name=person.username)
