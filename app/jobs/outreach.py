"""Queue ``outreach``: checks of large batches, and sending."""

from __future__ import annotations

from app.jobs.context import job_context
from app.lib import clock
from app.outreach import preflight, results, sending


def prepare(batch_id: int) -> None:
    """Check the batch if it still waits for that."""
    with job_context():
        preflight.run(batch_id)


def run(_row_id: int) -> None:
    """Send what may go, and play what the sandbox answers."""
    with job_context():
        sending.work()
        results.play_sandbox(clock.now())
