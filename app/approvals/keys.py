"""Approval of API keys that reach the whole bank.

The key is shown to the person who creates it and is refused until a second person approves it.
"""

from __future__ import annotations

import json
from typing import Any

from flask_appbuilder.security.sqla.models import ApiKey
from flask_babel import gettext as _
from sqlalchemy import select

from app import labels
from app.access import keys
from app.approvals.kinds import Change, register, subject_row
from app.approvals.requests import ask
from app.errors import N_, DomainError
from app.extensions import db
from app.lib.pointers import to_row
from app.models import Approval, Staff

KIND = "api_key"


def ask_for_key(name: str, user: Staff, reason: str) -> Approval | None:
    """Request approval of a new key without committing. Return None when it works at once."""
    return ask(KIND, keys.system_named(name).id, user, reason)


class _KeyKind:
    name = KIND
    permission = ("can_create", "ApiKeyView")

    def title(self, subject_id: int) -> str:
        return str(_system(subject_id).username)

    def state(self, subject_id: int) -> str:
        system = _system(subject_id)
        access = [sorted(role.id for role in system.roles), system.branch_id, bool(system.active)]
        return json.dumps(
            [access, [f"{key.id} {key.expires_on} {key.revoked_on}" for key in _keys(subject_id)]]
        )

    def makers(self, subject_id: int) -> set[str]:
        return set()

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        system = _system(subject_id)
        reach = system.branch.name if system.branch else _("Whole bank")
        ends = labels.joined(f"{key.expires_on:%Y-%m-%d}" for key in _keys(subject_id) if key.expires_on)
        return [
            Change(_("API key"), "", system.username),
            Change(_("Scope"), "", reach),
            Change(
                _("Role"), "", labels.joined(labels.word(labels.ROLE, role.name) for role in system.roles)
            ),
            Change(_("Valid until"), "", ends),
        ]

    def submitted(self, approval: Approval) -> None:
        """Do nothing: the key was created switched off."""

    def apply(self, approval: Approval, user: str) -> None:
        _system(approval.subject_id).active = True

    def returned(self, approval: Approval) -> None:
        keys.end_keys(_system(approval.subject_id))

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("ab_api_key", _keys(subject_id)[0].id)


def _keys(subject_id: int) -> list[ApiKey]:
    api_keys = list(
        db.session.scalars(select(ApiKey).where(ApiKey.user_id == subject_id).order_by(ApiKey.id))
    )
    if not api_keys:
        raise DomainError("The key no longer exists.")
    return api_keys


def _system(subject_id: int) -> Staff:
    return subject_row(Staff, subject_id, N_("The key no longer exists."))


register(_KeyKind())
