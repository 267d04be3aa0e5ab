"""T+1 runs on queue ``t1``, corrections of log deliveries on queue ``default``."""

from __future__ import annotations

from sqlalchemy import select

from app.jobs.context import job_context
from app.models import JobRun, LogCorrection
from app.t1 import corrections
from app.t1.execute import execute


def run(run_id: int) -> None:
    """Execute the run if it is due and no other worker has it."""
    requested_by = select(JobRun.requested_by).where(JobRun.id == run_id)
    with job_context(f"run {run_id}", requested_by):
        execute(run_id)


def correct(correction_id: int) -> None:
    """Carry out the correction if it is approved and no other worker has it."""
    requested_by = select(LogCorrection.requested_by).where(LogCorrection.id == correction_id)
    with job_context(f"correction {correction_id}", requested_by):
        corrections.execute(correction_id)
