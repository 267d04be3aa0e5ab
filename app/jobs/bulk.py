"""Queue ``default``: bulk changes of the leads that match a filter."""

from __future__ import annotations

from sqlalchemy import select

from app.bulk import work_on
from app.jobs.context import job_context
from app.models import BulkJob


def run(job_id: int) -> None:
    """Run the bulk change if it is still queued."""
    requested_by = select(BulkJob.requested_by).where(BulkJob.id == job_id)
    with job_context(f"bulk {job_id}", requested_by):
        work_on(job_id)
