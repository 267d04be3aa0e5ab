"""Notices about approval requests, for possible approvers and for requesters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from flask_babel import lazy_gettext
from sqlalchemy import select

from app.approvals.requests import deciders
from app.errors import DomainError
from app.extensions import db
from app.labels import APPROVAL_KIND
from app.lib.pointers import to_row
from app.models import Approval, ApprovalStatus
from app.reminders.notice import Notice

#: decisions older than this are not reported
DAYS = 7
WAITS = lazy_gettext("%(what)s “%(title)s” is waiting for your decision")
DECIDED = {
    ApprovalStatus.APPROVED: lazy_gettext("Your request is approved: %(what)s “%(title)s”"),
    ApprovalStatus.REJECTED: lazy_gettext("Your request is rejected: %(what)s “%(title)s”"),
    ApprovalStatus.EXPIRED: lazy_gettext("Your request expired without a decision: %(what)s “%(title)s”"),
}


def notices(now: dt.datetime) -> Iterator[Notice]:
    """Yield the notices for possible approvers and for requesters."""
    waiting = select(Approval).where(Approval.status == ApprovalStatus.WAITING, Approval.expires_at > now)
    for approval in db.session.scalars(waiting.order_by(Approval.id)):
        for person_id in _deciders(approval):
            yield Notice(person_id, f"approval-{approval.id}", "approval", WAITS, **_about(approval))
    ended = select(Approval).where(
        Approval.status.in_(DECIDED),
        Approval.decided_at > now - dt.timedelta(days=DAYS),
        Approval.requested_by_id.is_not(None),
    )
    for approval in db.session.scalars(ended.order_by(Approval.id)):
        message = DECIDED[ApprovalStatus(approval.status)]
        asked_by = approval.requested_by_id or 0
        yield Notice(asked_by, f"decided-{approval.id}", "decided", message, **_about(approval))


def _deciders(approval: Approval) -> list[int]:
    try:
        return [person.id for person in deciders(approval)]
    except DomainError:
        return []  # a kind that this version does not know


def _about(approval: Approval) -> dict[str, Any]:
    what = APPROVAL_KIND.get(approval.kind)
    values = {
        "id": approval.id,
        "what": what._args[0] if what is not None else approval.kind,
        "title": approval.title,
    }
    return {"values": values, "opens": to_row("approval", approval.id)}
