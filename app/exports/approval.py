"""Approval of exports with unmasked phone numbers, and of large masked ones."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import approvals, labels
from app.approvals import Change
from app.errors import N_, DomainError, Said
from app.lib.pointers import to_row
from app.models import Approval, ExportJob, RunStatus

CLEAR, LARGE = "unmasked_export", "large_export"


class AskedExport(NamedTuple):
    """What the approver is shown: the filters in words, and the number of rows that match now."""

    conditions: list[str]
    rows: int


class _ExportKind:
    #: how the approver reads what becomes of phone numbers
    phones: tuple[Any, Any]
    permission = ("can_export_clear", "LeadView")

    def title(self, subject_id: int) -> str:
        job = _job(subject_id)
        return f"#{job.id} {job.kind}.{job.format}"

    def state(self, subject_id: int) -> str:
        job = _job(subject_id)
        facts = f" {json.dumps(job.facts)}" if job.facts else ""
        return f"{job.kind} {job.format} {json.dumps(job.filters)} {job.requested_by}{facts}"

    def makers(self, subject_id: int) -> set[str]:
        return {_job(subject_id).requested_by}

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        job = _job(subject_id)
        conditions = labels.joined(payload["conditions"]) or _("All rows that you may see.")
        return [
            Change(_("List"), "", labels.word(labels.EXPORT_KIND, job.kind)),
            Change(_("Conditions"), "", conditions),
            Change(_("Rows now"), "", f"{payload['rows']:,}"),
            *([Change(_("Facts"), "", labels.joined(job.facts))] if job.facts else []),
            Change(_("Phone numbers"), *map(str, self.phones)),
        ]

    def submitted(self, approval: Approval) -> None:
        if _job(approval.subject_id).status != RunStatus.ASKED:
            raise DomainError("This export is not waiting for approval.")

    def apply(self, approval: Approval, user: str) -> None:
        job = _job(approval.subject_id)
        job.approved_by, job.status = user, RunStatus.QUEUED

    def returned(self, approval: Approval) -> None:
        job = _job(approval.subject_id)
        job.status, job.error = RunStatus.FAILED, Said(N_("The export was not approved."))

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("export_job", subject_id)


class _ClearExportKind(_ExportKind):
    name = CLEAR
    phones = (lazy_gettext("masked"), lazy_gettext("in clear"))


class _LargeExportKind(_ExportKind):
    name = LARGE
    phones = ("", lazy_gettext("masked"))


def _job(subject_id: int) -> ExportJob:
    return approvals.subject_row(ExportJob, subject_id, N_("The export does not exist any more."))


approvals.register(_ClearExportKind())
approvals.register(_LargeExportKind())
