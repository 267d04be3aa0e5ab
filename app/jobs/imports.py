"""Queue ``import``: previews, dry runs and imports of uploaded files, and undo of large batches."""

from __future__ import annotations

from sqlalchemy import case, select

from app.jobs.context import job_context
from app.leads.upload_worker import work_on
from app.models import BatchStatus, ImportBatch


def run(batch_id: int) -> None:
    """Run the next step of the batch, if it still waits for one."""
    undoing = ImportBatch.status == BatchStatus.UNDOING
    user = case((undoing, ImportBatch.undone_by), else_=ImportBatch.created_by)
    requested_by = select(user).where(ImportBatch.id == batch_id)
    with job_context(f"import {batch_id}", requested_by):
        work_on(batch_id)
