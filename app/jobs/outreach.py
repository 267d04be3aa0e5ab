"""Queue ``outreach``: checks of large batches, and sending of contacts."""

from __future__ import annotations

from app.jobs.context import job_context
from app.lib import clock
from app.outreach import preflight, results, sending


def prepare(batch_id: int) -> None:
    """Check the batch if it still waits for its check."""
    with job_context():
        preflight.run(batch_id)


def run(_row_id: int) -> None:
    """Send the contacts that are due, and simulate the replies of the sandbox."""
    with job_context():
        sending.work()
        results.record_sandbox_outcomes(clock.now())
