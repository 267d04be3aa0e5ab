"""Targets: the systems, people and folders that channels send to, their settings, secrets and health."""

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
from app.channels.vault import vault
from app.errors import DomainError, FieldError
from app.extensions import db
from app.lib import clock
from app.models import StopReason, Target, TargetStatus
from config import Settings

_PURPOSE = b"lead-monitor/target-secret"
#: webhook secrets as Standard Webhooks writes them
SECRET_PREFIX = "whsec_"  # noqa: S105
_MISSING = {"missing", "string_too_short", "too_short"}


def checked(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Settings for a target of a kind, as they are stored. Raises FieldError for the first wrong one."""
    try:
        return channel(kind).settings.model_validate(given).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] in _MISSING:
            raise FieldError(name, "This is needed.") from error
        raise FieldError(name, "“%(value)s” can't be used here.", value=str(first["input"])[:80]) from error


def check_place(kind: str, given: dict[str, Any], config: Settings) -> None:
    """Raise FieldError for settings that are wrong, or with which every send would be refused."""
    channel(kind).settings.model_validate(checked(kind, given)).check_place(config)


def names(codes: Iterable[str]) -> dict[str, str]:
    """The names of the targets with these codes, by code."""
    query = select(Target.code, Target.name).where(Target.code.in_(list(codes)))
    return {row.code: row.name for row in db.session.execute(query)}


def settings_of(target: Target) -> ChannelSettings:
    """A target's settings, read. Raises PermanentError when they don't fit the channel (any more)."""
    try:
        return channel(target.kind).settings.model_validate(target.settings)
    except (ValidationError, DomainError) as error:
        raise PermanentError("the settings of this target are not complete") from error


def save(target: Target, name: str, given: dict[str, Any]) -> None:
    """Set a target's name and settings; one that was not set up yet becomes ready to be started.

    Raises FieldError for settings its channel refuses.
    """
    target.settings = checked(target.kind, given)
    target.name = name.strip() or target.code
    db.session.add(target)


def create(kind: str, code: str, name: str, given: dict[str, Any], who: str) -> Target:
    """A new target; it works at once when its channel needs no secret. Raises FieldError. Doesn't commit."""
    if db.session.scalar(select(Target.id).where(Target.code == code)):
        raise FieldError("code", "There is a target with the code %(code)s already.", code=code)
    target = Target(kind=kind, code=code, created_by=who)
    save(target, name, given)
    if channel(kind).signs:
        target.status, target.stop_reason = TargetStatus.STOPPED, StopReason.NOT_SET_UP
    return target


def ensure(session: Session, wanted: Iterable[tuple[str, str]], who: str) -> None:
    """Make a target for each (kind, code) that is not there yet. Doesn't commit.

    One whose channel needs no settings works at once. Any other is a placeholder, stopped: what is pushed to
    it waits, and the screen shows that it is to be set up.
    """
    rows = [
        {"kind": kind, "code": code, "name": code, "created_by": who, **_at_first(kind)}
        for code, kind in {code: kind for kind, code in wanted}.items()
    ]
    if rows:
        session.execute(insert(Target).values(rows).on_conflict_do_nothing(index_elements=["code"]))


def _at_first(kind: str) -> dict[str, Any]:
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
    """Why a schedule can't name this channel and target, None when it can."""
    if kind not in channels():
        return f"{kind!r}: unknown channel; there are: {', '.join(sorted(channels()))}"
    known = db.session.scalar(select(Target.kind).where(Target.code == code))
    if known is not None and known != kind:
        return f"{code!r}: is a target of the channel {known}, not of {kind}"
    return None


def new_secret(target: Target, config: Settings) -> str:
    """Give the target a new secret and return it, this once; the old one is void. Doesn't commit."""
    if not channel(target.kind).signs:
        raise DomainError("%(target)s needs no secret.", target=str(target))
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    target.secret_cipher = vault(config, _PURPOSE).encrypt(secret.encode())
    target.secret_made_at = clock.now()
    return secret


def secret_of(target: Target, config: Settings) -> str:
    """The secret in clear, empty without one. Raises PermanentError when SECRET_KEY was changed since."""
    if target.secret_cipher is None:
        return ""
    try:
        return vault(config, _PURPOSE).decrypt(target.secret_cipher).decode()
    except InvalidToken as error:
        raise PermanentError("the secret can't be read: SECRET_KEY was changed; make a new one") from error


def stop(target: Target, reason: StopReason, who: str | None = None) -> None:
    """Send nothing more to it; what waits goes on waiting. Doesn't commit."""
    target.status, target.stop_reason, target.stopped_by = TargetStatus.STOPPED, reason, who
    target.stopped_at = clock.now()


def resume(target: Target) -> None:
    """Send to it again. Raises DomainError when its settings or secret are missing. Doesn't commit."""
    try:
        settings_of(target)
    except PermanentError as error:
        raise DomainError(
            "%(target)s is not set up yet: fill in its settings.", target=str(target)
        ) from error
    if channel(target.kind).signs and target.secret_cipher is None:
        raise DomainError("%(target)s has no secret yet: make one first.", target=str(target))
    target.status, target.stop_reason, target.stopped_by = TargetStatus.ACTIVE, None, None
    target.stopped_at = target.failing_since = None
