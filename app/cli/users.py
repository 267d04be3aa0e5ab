"""The commands ``flask users``."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from sqlalchemy import select

from app.cli.base import as_json, print_result, require_installation
from app.errors import DomainError
from app.extensions import db
from app.models import Staff

users_group = AppGroup("users", help="Accounts of people.")


@users_group.command("reset-mfa")
@click.argument("name")
@click.option("--reason", required=True, help="Why; it is kept in the change log.")
@as_json
@require_installation
def reset_mfa(name: str, reason: str, json_out: bool) -> None:
    """Take a user's second factor away when no second administrator can: break-glass, recorded."""
    from app.access import second_factor, sessions
    from app.audit.events import event

    user = db.session.scalar(select(Staff).where(Staff.username == name))
    if user is None:
        raise DomainError("There is no user %(name)s.", name=name)
    if not reason.strip():
        raise DomainError("State a reason.")
    gone = second_factor.remove(user)
    db.session.commit()
    with db.engine.begin() as connection:
        sessions.end_all(connection, user.id)
    event("second_factor_reset", Staff.__tablename__, user.id, user.username, reason=reason.strip()[:500])
    print_result({"user": name, "removed": gone}, json_out)
