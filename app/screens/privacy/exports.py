"""Export jobs as text: progress, rows and result."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from app import labels
from app.console import formats
from app.exports.jobs import export_file
from app.models import ExportJob, RunStatus


def progress_of(job: ExportJob) -> dict[str, Any]:
    """Return the progress that the export's page shows and polls."""
    return {
        "status": job.status,
        "status_text": labels.word(labels.RUN_STATUS, job.status),
        "progress": job.progress,
        "summary": _summary(job),
        "done": job.status in (RunStatus.DONE, RunStatus.FAILED),
    }


def rows_made(rows: int | None) -> Any:
    """Format the number of rows, empty until the file exists."""
    return "" if rows is None else formats.number(rows)


def _summary(job: ExportJob) -> str:
    if job.status == RunStatus.FAILED:
        return str(job.error or "")
    if job.status == RunStatus.ASKED:
        return _("Another person must approve it first.")
    if job.status != RunStatus.DONE:
        return _("The file is being created; you may close this page.")
    if export_file(job) is None:
        return _("The file was deleted after its retention period.")
    return _("%(rows)s rows, ready to download", rows=f"{job.rows or 0:,}")
