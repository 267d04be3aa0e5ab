"""Queue ``push``: push scheduling and sending of deliveries."""

from __future__ import annotations

from app.jobs.context import job_context
from app.lib import clock
from app.push import deliver
from app.push.tick import tick


def run(_row_id: int) -> None:
    """Send the deliveries that are due."""
    with job_context():
        deliver.work()


def make(_run_id: int) -> None:
    """Create the pushes that are due, and send them."""
    with job_context():
        tick(clock.now())
        deliver.work()
