"""Queue ``t1``: T+1 runs."""

from __future__ import annotations

from app.jobs.context import job_context
from app.t1.execute import execute


def run(run_id: int) -> None:
    """Do the run if it is due and nobody else does it."""
    with job_context():
        execute(run_id)
