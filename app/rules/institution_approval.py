"""Approval of changes to an institution's category or region that affect rules in force."""

from __future__ import annotations

import json
from typing import Any

from flask_babel import gettext as _

from app import approvals, labels
from app.approvals import Change
from app.errors import N_
from app.lib.pointers import to_row
from app.models import Approval, Institution, Staff
from app.rules import catalogue

KIND = "institution"


def ask(institution: Institution, category: str, region: str, user: Staff, reason: str) -> Approval | None:
    """Request another category and region; None when they change at once. Does not commit."""
    return approvals.ask(KIND, institution.id, user, reason, {"category": category, "region": region})


class _InstitutionKind:
    name = KIND
    #: whoever approves rules approves what changes the leads they catch
    permission = ("can_submit", "RuleVersionView")

    def title(self, subject_id: int) -> str:
        return str(_row(subject_id))

    def state(self, subject_id: int) -> str:
        row = _row(subject_id)
        return json.dumps([row.category, row.region])

    def makers(self, subject_id: int) -> set[str]:
        return set()

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        row = _row(subject_id)
        old, new = (
            labels.word(labels.CATEGORY, row.category),
            labels.word(labels.CATEGORY, payload["category"]),
        )
        fields = [Change(_("Category"), old, new), Change(_("Region"), row.region, payload["region"])]
        rules = catalogue.affected_rules(row, payload["category"], payload["region"])
        return [
            *(each for each in fields if each.old != each.new),
            Change(_("Rules in force that would catch different leads"), "", labels.joined(rules)),
        ]

    def submitted(self, approval: Approval) -> None:
        """Leave the institution as it is until the decision."""

    def apply(self, approval: Approval, user: str) -> None:
        row = _row(approval.subject_id)
        row.category, row.region = approval.payload["category"], approval.payload["region"]

    def returned(self, approval: Approval) -> None:
        """Leave the institution as it is."""

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("institution", subject_id)


def _row(subject_id: int) -> Institution:
    return approvals.subject_row(Institution, subject_id, N_("The institution no longer exists."))


approvals.register(_InstitutionKind())
