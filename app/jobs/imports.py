"""Queue ``import``: first looks, dry runs and imports of uploaded files, undo of large batches."""

from __future__ import annotations

from sqlalchemy import case, select

from app.jobs.context import job_context
from app.leads.upload_worker import work_on
from app.models import BatchStatus, ImportBatch


def run(batch_id: int) -> None:
    """Do what the batch waits for, if it still does."""
    undone = ImportBatch.status == BatchStatus.UNDOING
    who = case((undone, ImportBatch.undone_by), else_=ImportBatch.created_by)
    asked_by = select(who).where(ImportBatch.id == batch_id)
    with job_context(f"import {batch_id}", asked_by):
        work_on(batch_id)
