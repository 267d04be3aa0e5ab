"""Queue ``outreach``: journeys, whose contacts are sent by the same worker."""

from __future__ import annotations

from app.jobs.context import job_context
from app.journeys import execution
from app.outreach import sending


def run(_row_id: int) -> None:
    """Let customers enter journeys, do the steps that are due, and send the contacts that they ask for."""
    with job_context():
        execution.work()
        sending.work()
