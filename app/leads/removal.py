"""Approval of removals from the do-not-disturb list."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from sqlalchemy import func, or_, select

from app import approvals, labels
from app.approvals import Change
from app.errors import N_, DomainError
from app.extensions import db
from app.leads import suppression
from app.leads.reasons import mask_numbers
from app.lib import clock
from app.lib.pointers import to_row
from app.models import Approval, Lead, Staff, Suppression

KIND = "suppression_removal"


def ask(entry: Suppression, user: Staff, reason: str) -> Approval | None:
    """Request the removal of an entry without committing. Return None when it was removed at once.

    Raises DomainError without a reason, and when the entry is removed or a request is open.
    """
    if entry.removed_at is not None:
        raise DomainError("This entry has already been removed.")
    return approvals.ask(KIND, entry.id, user, mask_numbers(reason))


class _RemovalKind:
    name = KIND
    permission = ("can_take_off", "SuppressionView")

    def title(self, subject_id: int) -> str:
        return _entry(subject_id).shown

    def state(self, subject_id: int) -> str:
        entry = _entry(subject_id)
        return f"{entry.phone_index} {entry.id_hash} {entry.reason} {entry.expires_on} {entry.removed_at}"

    def makers(self, subject_id: int) -> set[str]:
        return set()

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        entry = _entry(subject_id)
        until = entry.expires_on.isoformat() if entry.expires_on else _("no end date")
        named = or_(Lead.phone_index == entry.phone_index, Lead.id_hash == entry.id_hash)
        leads = db.session.scalar(select(func.count()).where(named, Lead.deleted_at.is_(None)))
        return [
            Change(_("Do not disturb"), entry.shown, _("may be contacted again")),
            Change(_("Reason for the entry"), labels.word(labels.SUPPRESSION_REASON, entry.reason), ""),
            Change(_("Last day"), until, ""),
            Change(_("Matching leads"), f"{leads:,}", ""),
        ]

    def submitted(self, approval: Approval) -> None:
        """Do nothing: the entry stays in force while its removal waits."""

    def apply(self, approval: Approval, user: str) -> None:
        today = clock.today()
        entry, requester = _entry(approval.subject_id), approval.requested_by
        suppression.remove(db.session(), entry, reason=approval.reason, user=requester, today=today)

    def returned(self, approval: Approval) -> None:
        """Do nothing: the entry is in force as before."""

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("suppression", subject_id)


def _entry(subject_id: int) -> Suppression:
    return approvals.subject_row(Suppression, subject_id, N_("The entry no longer exists."))


approvals.register(_RemovalKind())
