"""Jobs for the tests' workers."""

from __future__ import annotations

import os

from rq import get_current_job


def fail(row_id: int) -> None:
    """Fail."""
    raise RuntimeError(f"row {row_id}")


def hang(_row_id: int) -> None:
    """Report the start, then wait for the signal to stop."""
    job = get_current_job()
    assert job is not None
    job.connection.publish("begun", os.getpid())
    job.connection.blpop(["stop"], timeout=120)
