"""Queue ``import``: imports of uploaded lead files."""

from __future__ import annotations

from app.jobs.context import job_context


def run(batch_id: int) -> None:
    """Import the uploaded file if it still waits."""
    from app.leads.uploads import import_upload

    with job_context():
        import_upload(batch_id)
