"""Queue ``default``: weekly reports."""

from __future__ import annotations

from app.jobs.context import job_context
from app.mails import queue
from app.reports.worker import make_reports


def run(_report_id: int) -> None:
    """Write the requested reports, and ask a worker to mail them."""
    with job_context("weekly report"):
        make_reports()
        queue.nudge()
