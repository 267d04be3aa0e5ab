"""Queue ``t1``: T+1 runs."""

from __future__ import annotations

from sqlalchemy import select

from app.jobs.context import job_context
from app.models import JobRun
from app.t1.execute import execute


def run(run_id: int) -> None:
    """Execute the run if it is due and no other worker has it."""
    requested_by = select(JobRun.requested_by).where(JobRun.id == run_id)
    with job_context(f"run {run_id}", requested_by):
        execute(run_id)
