"""Approval by a second person of switching a gateway on or off.

A gateway that is off sends nothing, and one that is on can't be changed. So the address, settings and secret
that the second person sees before it is switched on are the ones that will be used.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select

from app import approvals, labels
from app.access.people import name_of
from app.approvals import Change
from app.errors import N_
from app.extensions import db
from app.lib.pointers import to_row
from app.models import Approval, OutreachGateway, Staff
from app.outreach import gateways
from app.outreach.http_gateway import LABELS

KIND = "gateway"


def ask(row: OutreachGateway, on: bool, user: Staff, reason: str) -> Approval | None:
    """Request that a gateway be switched on or off. Does not commit.

    Return the request, or None when it takes effect at once. Raises DomainError for a gateway that can't be
    switched on, without a reason, and when a request is already pending.
    """
    if on:
        gateways.check(row)
    return approvals.ask(KIND, row.id, user, reason, {"on": on})


class _GatewayKind:
    name = KIND
    permission = ("can_switch", "OutreachGatewayView")

    def title(self, subject_id: int) -> str:
        return _row(subject_id).name

    def state(self, subject_id: int) -> str:
        row = _row(subject_id)
        secret = hashlib.sha256(row.secret_cipher or b"").hexdigest()
        now = _active(row.channel)
        return json.dumps(
            [row.channel, row.settings, row.active, secret, now.id if now else None], sort_keys=True
        )

    def makers(self, subject_id: int) -> set[str]:
        return {_row(subject_id).updated_by}

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        row = _row(subject_id)
        now = _active(row.channel)
        sandbox = labels.word(labels.GATEWAY, "sandbox")
        channel = labels.word(labels.OUTREACH_CHANNEL, row.channel)
        if not payload["on"]:
            return [Change(channel, row.name, sandbox)]
        before = now.settings if now else {}
        settings = [
            Change(str(label), _plain(before.get(name, "")), _plain(row.settings[name]))
            for name, label in LABELS.items()
            if name in row.settings and before.get(name) != row.settings[name]
        ]
        set_by = _(
            "set or confirmed by %(person)s, %(time)s",
            person=name_of(row.updated_by),
            time=f"{labels.local(row.updated_at):%Y-%m-%d %H:%M}",
        )
        return [
            Change(channel, now.name if now else sandbox, row.name),
            *settings,
            Change(_("Secret"), "", set_by),
        ]

    def submitted(self, approval: Approval) -> None:
        """Leave the gateway as it is. A change before the decision voids the request."""

    def apply(self, approval: Approval, user: str) -> None:
        row = _row(approval.subject_id)
        (gateways.switch_on if approval.payload["on"] else gateways.switch_off)(row, approval.requested_by)

    def returned(self, approval: Approval) -> None:
        """Leave the gateway as it is."""

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("outreach_gateway", subject_id)


def _active(channel: str) -> OutreachGateway | None:
    return db.session.scalar(
        select(OutreachGateway).where(OutreachGateway.channel == channel, OutreachGateway.active)
    )


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _row(subject_id: int) -> OutreachGateway:
    return approvals.subject_row(OutreachGateway, subject_id, N_("The gateway no longer exists."))


approvals.register(_GatewayKind())
