"""Queue ``import``: dry runs and imports of uploaded lead files."""

from __future__ import annotations

from sqlalchemy import select

from app.jobs.context import job_context
from app.leads.uploads import work_on
from app.models import ImportBatch


def run(batch_id: int) -> None:
    """Do what the batch waits for, if it still does."""
    asked_by = select(ImportBatch.created_by).where(ImportBatch.id == batch_id)
    with job_context(f"import {batch_id}", asked_by):
        work_on(batch_id)
