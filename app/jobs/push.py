"""Queue ``push``: ticks, deliveries, mails of reminders."""

from __future__ import annotations

from app.jobs.context import job_context
from app.lib import clock
from app.push import deliver
from app.push.tick import tick
from app.reminders import sender


def run(_row_id: int) -> None:
    """Send what is due: deliveries, then mails of reminders."""
    with job_context():
        deliver.work()
        sender.work()


def make(_run_id: int) -> None:
    """Make the pushes that are due, and send them."""
    with job_context():
        tick(clock.now())
        deliver.work()
