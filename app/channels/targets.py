"""Targets of channels (systems, people, folders): settings, secrets, stopping and resuming."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from typing import Any

from cryptography.fernet import InvalidToken
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.channels import channel, channels
from app.channels.base import ChannelSettings, PermanentError
from app.errors import DomainError, FieldError
from app.extensions import db
from app.lib import clock
from app.lib.vault import vault
from app.models import StopReason, Target, TargetStatus
from config import Settings

_PURPOSE = b"lead-monitor/target-secret"
#: prefix of secrets in the format of Standard Webhooks
SECRET_PREFIX = "whsec_"  # noqa: S105
_MISSING = {"missing", "string_too_short", "too_short"}


def checked(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """Validate settings for a target of a kind and return their stored form. Raises FieldError."""
    try:
        return channel(kind).settings.model_validate(values).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] in _MISSING:
            raise FieldError(name, "This field must not be empty.") from error
        raise FieldError(name, "“%(value)s” can't be used here.", value=str(first["input"])[:80]) from error


def check_place(kind: str, values: dict[str, Any], config: Settings) -> None:
    """Raise FieldError for invalid settings, or for settings with which sending would be refused."""
    channel(kind).settings.model_validate(checked(kind, values)).check_place(config)


def names(codes: Iterable[str]) -> dict[str, str]:
    """Return the names of the targets by code."""
    query = select(Target.code, Target.name).where(Target.code.in_(list(codes)))
    return {row.code: row.name for row in db.session.execute(query)}


def settings_of(target: Target) -> ChannelSettings:
    """Return a target's settings. Raises PermanentError when they don't fit the channel (any more)."""
    try:
        return channel(target.kind).settings.model_validate(target.settings)
    except (ValidationError, DomainError) as error:
        raise PermanentError("the settings of this target are not complete") from error


def save(target: Target, name: str, values: dict[str, Any]) -> None:
    """Store a target's name and settings. Raises FieldError for settings that its channel refuses."""
    target.settings = checked(target.kind, values)
    target.name = name.strip() or target.code
    db.session.add(target)


def create(kind: str, code: str, name: str, values: dict[str, Any], username: str) -> Target:
    """Create a target, active at once if its channel needs no secret. Raises FieldError. Does not commit."""
    if db.session.scalar(select(Target.id).where(Target.code == code)):
        raise FieldError("code", "There is already a target with the code %(code)s.", code=code)
    target = Target(kind=kind, code=code, created_by=username)
    save(target, name, values)
    if channel(kind).signs:
        target.status, target.stop_reason = TargetStatus.STOPPED, StopReason.NOT_SET_UP
    return target


def ensure(session: Session, pairs: Iterable[tuple[str, str]], username: str) -> None:
    """Create a target for each (kind, code) that does not exist yet. Does not commit.

    A target whose channel needs no settings is active at once. Any other is a stopped placeholder: deliveries
    to it wait, and the screen shows that it has to be set up.
    """
    rows = [
        {"kind": kind, "code": code, "name": code, "created_by": username, **_initial_state(kind)}
        for code, kind in {code: kind for kind, code in pairs}.items()
    ]
    if rows:
        session.execute(insert(Target).values(rows).on_conflict_do_nothing(index_elements=["code"]))


def _initial_state(kind: str) -> dict[str, Any]:
    try:
        settings = checked(kind, {})
    except DomainError:
        settings = {}
    ready = bool(settings) and not channel(kind).signs
    return {
        "settings": settings,
        "status": TargetStatus.ACTIVE if ready else TargetStatus.STOPPED,
        "stop_reason": None if ready else StopReason.NOT_SET_UP,
    }


def problem_with(kind: str, code: str) -> str | None:
    """Return why a schedule can't use this channel and target, None when it can."""
    if kind not in channels():
        return f"{kind!r}: unknown channel; there are: {', '.join(sorted(channels()))}"
    known = db.session.scalar(select(Target.kind).where(Target.code == code))
    if known is not None and known != kind:
        return f"{code!r}: is a target of the channel {known}, not of {kind}"
    return None


def new_secret(target: Target, config: Settings) -> str:
    """Replace the target's secret and return the new one, which is shown only once. Does not commit.

    Raises DomainError when the channel needs no secret.
    """
    if not channel(target.kind).signs:
        raise DomainError("%(target)s needs no secret.", target=str(target))
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    target.secret_cipher = vault(config, _PURPOSE).encrypt(secret.encode())
    target.secret_made_at = clock.now()
    return secret


def secret_of(target: Target, config: Settings) -> str:
    """Return the secret in clear, empty without one. Raises PermanentError if SECRET_KEY was changed."""
    if target.secret_cipher is None:
        return ""
    try:
        return vault(config, _PURPOSE).decrypt(target.secret_cipher).decode()
    except InvalidToken as error:
        raise PermanentError(
            "the secret can't be read because SECRET_KEY was changed; create a new one"
        ) from error


def stop(target: Target, reason: StopReason, username: str | None = None) -> None:
    """Stop sending to a target; its deliveries go on waiting. Does not commit."""
    target.status, target.stop_reason, target.stopped_by = TargetStatus.STOPPED, reason, username
    target.stopped_at = clock.now()


def resume(target: Target) -> None:
    """Resume sending to a target. Does not commit.

    Raises DomainError when its settings or secret are missing.
    """
    try:
        settings_of(target)
    except PermanentError as error:
        raise DomainError(
            "%(target)s is not set up yet: fill in its settings.", target=str(target)
        ) from error
    if channel(target.kind).signs and target.secret_cipher is None:
        raise DomainError("%(target)s has no secret yet; create one first.", target=str(target))
    target.status, target.stop_reason, target.stopped_by = TargetStatus.ACTIVE, None, None
    target.stopped_at = target.failing_since = None
