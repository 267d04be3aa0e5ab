"""Queue ``push``: ticks, deliveries, mails of reminders."""

from __future__ import annotations

from app import clock
from app.jobs.context import job_context
from app.push import deliver
from app.push.tick import tick
from app.reminders import post


def run(_row_id: int) -> None:
    """Send what is due: deliveries, then mails of reminders."""
    with job_context():
        deliver.work()
        post.work()


def make(_run_id: int) -> None:
    """Make the pushes that are due, and send them."""
    with job_context():
        tick(clock.now())
        deliver.work()
