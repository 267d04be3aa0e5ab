"""Queue ``default``: exports of lists."""

from __future__ import annotations

from sqlalchemy import select

from app.exports.jobs import make_export
from app.jobs.context import job_context
from app.models import ExportJob


def run(job_id: int) -> None:
    """Write the export if it is still queued."""
    requested_by = select(ExportJob.requested_by).where(ExportJob.id == job_id)
    with job_context(f"export {job_id}", requested_by):
        make_export(job_id)
