"""Approval of corrections of log deliveries by a second person."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from flask_babel import gettext as _

from app import approvals, labels
from app.approvals import Change
from app.errors import N_, DomainError, Said
from app.lib.pointers import to_row
from app.lib.settings import current_settings
from app.models import Approval, LogCorrection, RunStatus

KIND = "log_correction"


def kept_file(correction: LogCorrection) -> Path:
    """Return the path of the file that replaces another, until it is read."""
    folder = current_settings().data_dir / "corrections" / f"correction-{correction.id}"
    return folder / str(correction.replacement)


def forget(correction: LogCorrection) -> None:
    """Delete the copy of the file that would have replaced another."""
    if correction.replacement:
        shutil.rmtree(kept_file(correction).parent, ignore_errors=True)


class _CorrectionKind:
    name = KIND
    #: whoever sees what became of logs decides, if they decide about requests
    permission = ("can_show", "JobRunView")

    def title(self, subject_id: int) -> str:
        return _correction(subject_id).file.name

    def state(self, subject_id: int) -> str:
        correction = _correction(subject_id)
        return f"{correction.file.digest} {correction.file.withdrawn_at} {correction.digest}"

    def makers(self, subject_id: int) -> set[str]:
        return {_correction(subject_id).requested_by}

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        correction = _correction(subject_id)
        file, read, gone = correction.file, _("read"), _("withdrawn")
        changes = [
            Change(_("Log file"), read, gone),
            Change(_("SHA-256 of the content"), file.digest, ""),
            Change(_("Accepted"), f"{file.accepted:,}", ""),
            Change(_("With calls of"), labels.joined(sorted(file.days)), ""),
        ]
        if correction.replacement:
            changes += [
                Change(_("Replaced by"), "", correction.replacement),
                Change(_("SHA-256 of the content"), "", str(correction.digest)),
            ]
        return changes

    def submitted(self, approval: Approval) -> None:
        if _correction(approval.subject_id).status != RunStatus.ASKED:
            raise DomainError("This correction is not waiting for approval.")

    def apply(self, approval: Approval, user: str) -> None:
        correction = _correction(approval.subject_id)
        correction.approved_by, correction.status = user, RunStatus.QUEUED

    def returned(self, approval: Approval) -> None:
        correction = _correction(approval.subject_id)
        correction.status, correction.error = (
            RunStatus.FAILED,
            Said(N_("The correction was not approved.")),
        )
        forget(correction)

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("ingest_file", _correction(subject_id).file_id)


def _correction(subject_id: int) -> LogCorrection:
    return approvals.subject_row(LogCorrection, subject_id, N_("The correction does not exist any more."))


approvals.register(_CorrectionKind())
