"""Queue ``default``: verifications of the change log and exports of its entries."""

from __future__ import annotations

from sqlalchemy import select

from app.audit_jobs import work_on
from app.jobs.context import job_context
from app.models import AuditJob


def run(job_id: int) -> None:
    """Run the job if it is still queued."""
    requested_by = select(AuditJob.requested_by).where(AuditJob.id == job_id)
    with job_context(f"audit {job_id}", requested_by):
        work_on(job_id)
