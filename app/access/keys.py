"""API keys of the bank's own systems. Each belongs to a log-in of its own without a usable password."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from flask import current_app
from flask_appbuilder.security.sqla.models import ApiKey, Role
from sqlalchemy import func, select
from werkzeug.security import generate_password_hash

from app.errors import DomainError, FieldError
from app.extensions import db
from app.models import Branch, Staff

ROLE = "Integration"


def create_key(
    name: str, *, branch_code: str | None = None, days: int = 365, active: bool = True
) -> dict[str, Any]:
    """Create a key for a system, commit, and return ``name``, ``key`` and ``expires``.

    The key is returned this once and stored only as a hash. With a branch it reaches that branch and its
    sub-branches, otherwise the whole bank. A key that is not ``active`` is refused until its log-in is
    enabled. Raises FieldError for a name that is taken and DomainError for an unknown branch.
    """
    if db.session.scalar(select(Staff.id).where(Staff.username == name)):
        raise FieldError("name", "A log-in called %(name)s already exists.", name=name)
    system = Staff(
        username=name,
        first_name="",
        last_name=name,
        email=f"{name}@api.invalid",
        active=active,
        password=generate_password_hash(secrets.token_urlsafe(48)),
        roles=[db.session.scalars(select(Role).where(Role.name == ROLE)).one()],
        branch_id=_branch_id(branch_code),
    )
    db.session.add(system)
    db.session.flush()
    expires = server_time() + dt.timedelta(days=days)
    made = current_app.appbuilder.sm.create_api_key(system, name, expires_on=expires)  # type: ignore[attr-defined]
    if made is None:
        raise DomainError("The key for %(name)s could not be stored.", name=name)
    return {"name": name, "key": made["key"], "expires": _local(expires).date().isoformat()}


def reaches_whole_bank(branch_code: str | None) -> bool:
    """Return whether a key for the branch, or for none, reaches every branch except those above it."""
    return branch_code is None or _covers_the_rest(db.session.get(Branch, _branch_id(branch_code)))


def limited_systems() -> list[Staff]:
    """Return the active systems whose keys reach only a part of the bank."""
    systems = select(Staff).where(Staff.active, Staff.roles.any(Role.name == ROLE)).order_by(Staff.id)
    return [each for each in db.session.scalars(systems) if not _covers_the_rest(each.branch)]


def check_limited(systems: list[Staff]) -> None:
    """Check that the systems still reach only a part of the bank.

    Raises FieldError for ``parent`` when one doesn't.
    """
    for each in systems:
        if _covers_the_rest(each.branch):
            raise FieldError(
                "parent",
                "This change would extend the API key %(name)s to the whole bank, which needs a second "
                "person's approval. Revoke the key and request one for the whole bank first.",
                name=each.username,
            )


def _covers_the_rest(branch: Branch | None) -> bool:
    """Return whether every branch is above or below this one."""
    if branch is None:
        return True
    path = select(Branch.path).where(Branch.id == branch.id).scalar_subquery()
    above_or_below = func.starts_with(Branch.path, path) | func.starts_with(path, Branch.path)
    return db.session.scalar(select(Branch.id).where(~above_or_below).limit(1)) is None


def list_keys() -> list[dict[str, Any]]:
    """Return ``name``, ``active``, ``expires`` and ``last_used`` of every key."""
    rows = db.session.scalars(select(ApiKey).order_by(ApiKey.id))
    return [
        {
            "name": row.name,
            "active": bool(row.is_active and row.user.is_active),
            "expires": _local(row.expires_on).date().isoformat() if row.expires_on else None,
            "last_used": _local(row.last_used_on).isoformat(timespec="seconds") if row.last_used_on else None,
        }
        for row in rows
    ]


def revoke_key(name: str) -> int:
    """Revoke all keys of a system, disable its log-in and commit. Return the number of keys revoked.

    Raises DomainError when there is no such system.
    """
    revoked = end_keys(system_named(name))
    db.session.commit()
    return revoked


def system_named(name: str) -> Staff:
    """Return the log-in of a system. Raises DomainError when there is none."""
    system = db.session.scalar(
        select(Staff).where(Staff.username == name, Staff.roles.any(Role.name == ROLE))
    )
    if system is None:
        raise DomainError("There is no API key called %(name)s.", name=name)
    return system


def end_keys(system: Staff) -> int:
    """Revoke all keys of a system and disable its log-in without committing.

    Return the number of keys revoked.
    """
    keys = db.session.scalars(
        select(ApiKey).where(ApiKey.user_id == system.id, ApiKey.revoked_on.is_(None))
    ).all()
    for key in keys:
        key.revoked_on = server_time()
    system.active = False
    return len(keys)


def is_system(person: Staff) -> bool:
    """Return whether a log-in belongs to an API key instead of a person."""
    return {role.name for role in person.roles} == {ROLE}


def server_time() -> dt.datetime:
    """Return the present moment as Flask-AppBuilder stores it: the server's local time without a zone."""
    # Not the database's clock: ApiKey.is_active compares ``expires_on`` with the host's datetime.now(), and a
    # moment in another zone would be off by the difference between the zones.
    return dt.datetime.now()  # noqa: DTZ005


def _local(moment: dt.datetime) -> dt.datetime:
    """Convert a moment stored by Flask-AppBuilder to local time."""
    return moment.astimezone(current_app.config["SETTINGS"].zone)


def _branch_id(code: str | None) -> int | None:
    if code is None:
        return None
    branch_id = db.session.scalar(select(Branch.id).where(Branch.code == code))
    if branch_id is None:
        raise DomainError("There is no branch with the code %(code)s.", code=code)
    return branch_id
