"""Queue ``default``: deletion of old facts, and merging of the files that deliveries have left."""

from __future__ import annotations

from app.extensions import db
from app.facts import subject
from app.jobs import health
from app.jobs.context import job_context
from app.lib import clock
from app.lib.settings import current_settings

#: the ticker's step that asks for this, under whose name a failure is shown
STEP = "facts"


def run(_nothing: int) -> None:
    """Delete facts past their days kept, and merge files. A failure is stored as one of the ticker's step."""
    with job_context("facts"):
        try:
            subject.purge(db.engine, current_settings())
        except Exception as error:
            db.session.rollback()
            health.record_failure(STEP, error, clock.now())
            raise
        health.record_recovery(STEP, clock.now())
