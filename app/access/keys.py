"""API keys of the bank's own systems: each belongs to a log-in of its own without a usable password."""

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
    """A new key for a system; ``key`` is shown this once and kept only as a hash. Commits.

    With a branch the key reaches that branch and what lies below it, else the whole bank. One that is not
    ``active`` is refused until its log-in is switched on. Raises DomainError for a name that is taken and an
    unknown branch.
    """
    if db.session.scalar(select(Staff.id).where(Staff.username == name)):
        raise FieldError("name", "There is a log-in called %(name)s already.", name=name)
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
    """Whether a key for the branch reaches every branch but those above it; one without a branch does."""
    return branch_code is None or _covers_the_rest(db.session.get(Branch, _branch_id(branch_code)))


def limited() -> list[Staff]:
    """The systems whose keys work and reach a part of the bank."""
    systems = select(Staff).where(Staff.active, Staff.roles.any(Role.name == ROLE)).order_by(Staff.id)
    return [each for each in db.session.scalars(systems) if not _covers_the_rest(each.branch)]


def check_limited(systems: list[Staff]) -> None:
    """Raise FieldError for ``parent`` when one of the systems reaches the whole bank."""
    for each in systems:
        if _covers_the_rest(each.branch):
            raise FieldError(
                "parent",
                "By this the API key %(name)s would reach the whole bank, which a second person decides "
                "about. Revoke it and make one for the whole bank first.",
                name=each.username,
            )


def _covers_the_rest(branch: Branch | None) -> bool:
    """Whether no branch lies beside this one; those above it are no rest."""
    if branch is None:
        return True
    path = select(Branch.path).where(Branch.id == branch.id).scalar_subquery()
    above_or_below = func.starts_with(Branch.path, path) | func.starts_with(path, Branch.path)
    return db.session.scalar(select(Branch.id).where(~above_or_below).limit(1)) is None


def list_keys() -> list[dict[str, Any]]:
    """Every key: system, whether it works, when it ends and was last used."""
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
    """End every key of a system and switch its log-in off; the number ended. Commits.

    Raises DomainError when there is no such system.
    """
    ended = end_keys(system_named(name))
    db.session.commit()
    return ended


def system_named(name: str) -> Staff:
    """The log-in of a system. Raises DomainError when there is none."""
    system = db.session.scalar(
        select(Staff).where(Staff.username == name, Staff.roles.any(Role.name == ROLE))
    )
    if system is None:
        raise DomainError("There is no API key called %(name)s.", name=name)
    return system


def end_keys(system: Staff) -> int:
    """End every key of a system and switch its log-in off; the number ended. Does not commit."""
    keys = db.session.scalars(
        select(ApiKey).where(ApiKey.user_id == system.id, ApiKey.revoked_on.is_(None))
    ).all()
    for key in keys:
        key.revoked_on = server_time()
    system.active = False
    return len(keys)


def is_system(person: Staff) -> bool:
    """Whether a log-in is that of an API key, which nobody logs in with."""
    return {role.name for role in person.roles} == {ROLE}


def server_time() -> dt.datetime:
    """The present moment as Flask-AppBuilder keeps it: the server's own time, without a zone."""
    # Not the database's clock: ApiKey.is_active compares ``expires_on`` with datetime.now() of the host that
    # is asked, and a column without a zone would be off by the whole difference of zones.
    return dt.datetime.now()  # noqa: DTZ005


def _local(moment: dt.datetime) -> dt.datetime:
    """The local time that a moment of Flask-AppBuilder's means."""
    return moment.astimezone(current_app.config["SETTINGS"].zone)


def _branch_id(code: str | None) -> int | None:
    if code is None:
        return None
    found = db.session.scalar(select(Branch.id).where(Branch.code == code))
    if found is None:
        raise DomainError("There is no branch with the code %(code)s.", code=code)
    return found
