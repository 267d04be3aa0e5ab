"""Rules about log-ins that hold for every way of changing them."""

from __future__ import annotations

from collections.abc import Collection

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import func, select

from app.access.people import name_of
from app.errors import DomainError
from app.extensions import db
from app.models import Staff

ADMIN = "Admin"


def can_be_deleted(person: Staff) -> bool:
    """Return whether a log-in was never used and has no role. Others can only be disabled."""
    return not person.roles and person.last_login is None and not person.login_count


def check_admin_stays(person: Staff, *, active: bool, roles: Collection[str]) -> None:
    """Check that an active administrator remains after a change. Raises DomainError when none would."""
    others = (
        select(func.count())
        .select_from(Staff)
        .where(Staff.id != person.id, Staff.active.is_(True), Staff.roles.any(Role.name == ADMIN))
    )
    stays = active and ADMIN in roles
    was = bool(person.active) and any(role.name == ADMIN for role in person.roles)
    if was and not stays and not db.session.scalar(others):
        raise DomainError(
            "%(name)s is the last administrator; appoint another one first.", name=name_of(person.username)
        )
