"""Queue ``default``: changes of all leads that a filter leaves."""

from __future__ import annotations

from sqlalchemy import select

from app.bulk import work_on
from app.jobs.context import job_context
from app.models import BulkJob


def run(job_id: int) -> None:
    """Make the change if it still waits."""
    asked_by = select(BulkJob.requested_by).where(BulkJob.id == job_id)
    with job_context(f"bulk {job_id}", asked_by):
        work_on(job_id)
