"""Queue ``import``: dry runs and imports of uploaded lead files."""

from __future__ import annotations

from app.jobs.context import job_context
from app.leads.uploads import work_on


def run(batch_id: int) -> None:
    """Do what the batch waits for, if it still does."""
    with job_context():
        work_on(batch_id)
