"""Lead imports as a person sees them."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from app import labels
from app.models import BatchStatus, ImportBatch


def progress_of(batch: ImportBatch) -> dict[str, Any]:
    """What the batch's page shows and polls."""
    return {
        "status": batch.status,
        "status_text": labels.word(labels.BATCH_STATUS, batch.status),
        "progress": batch.progress if batch.status == BatchStatus.RUNNING else 100,
        "summary": batch_summary(batch),
        "done": batch.status != BatchStatus.RUNNING,
    }


def batch_summary(batch: ImportBatch) -> str:
    """What became of the file's rows, in a line."""
    if batch.status == BatchStatus.RUNNING:
        return _("The rows are being read; you may close this page.")
    if batch.error:
        return batch.error
    return _(
        "%(read)s rows read: %(created)s leads created, %(updated)s updated,"
        " %(existing)s already there, %(rejected)s rejected",
        read=f"{batch.rows_read:,}",
        created=f"{batch.rows_created:,}",
        updated=f"{batch.rows_updated:,}",
        existing=f"{batch.rows_existing:,}",
        rejected=f"{batch.rows_rejected:,}",
    )
