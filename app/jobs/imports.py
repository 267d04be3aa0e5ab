"""Queue ``import``: imports of uploaded lead files."""

from __future__ import annotations

from app.jobs.context import job_context
from app.leads.uploads import import_upload


def run(batch_id: int) -> None:
    """Import the uploaded file if it still waits."""
    with job_context():
        import_upload(batch_id)
