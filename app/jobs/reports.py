"""Queue ``default``: weekly reports."""

from __future__ import annotations

from app.jobs.context import job_context
from app.mails import queue
from app.reports.worker import work


def run(_report_id: int) -> None:
    """Make what is asked for, and have its mails sent."""
    with job_context("weekly report"):
        work()
        queue.nudge()
