"""Queue ``default``: weekly reports and their mails."""

from __future__ import annotations

from app.jobs.context import job_context
from app.reports.worker import work


def run(_report_id: int) -> None:
    """Make what is asked for, send what is due."""
    with job_context("weekly report"):
        work()
