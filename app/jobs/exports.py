"""Queue ``default``: exports of lists."""

from __future__ import annotations

from app.exports.jobs import make_export
from app.jobs.context import job_context


def run(job_id: int) -> None:
    """Make the export if it still waits."""
    with job_context():
        make_export(job_id)
