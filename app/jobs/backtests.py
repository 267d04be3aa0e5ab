"""Queue ``default``: back-tests of rule versions."""

from __future__ import annotations

from sqlalchemy import select

from app.jobs.context import job_context
from app.models import Backtest
from app.rules.backtest_jobs import work_on


def run(backtest_id: int) -> None:
    """Run the back-test if it is still queued."""
    requested_by = select(Backtest.requested_by).where(Backtest.id == backtest_id)
    with job_context(f"backtest {backtest_id}", requested_by):
        work_on(backtest_id)
