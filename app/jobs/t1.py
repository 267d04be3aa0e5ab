"""Queue ``t1``: T+1 runs."""

from __future__ import annotations

from sqlalchemy import select

from app.jobs.context import job_context
from app.models import JobRun
from app.t1.execute import execute


def run(run_id: int) -> None:
    """Do the run if it is due and nobody else does it."""
    asked_by = select(JobRun.requested_by).where(JobRun.id == run_id)
    with job_context(f"run {run_id}", asked_by):
        execute(run_id)
