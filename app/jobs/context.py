"""The application context of a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import current_app
from sqlalchemy import Select

from app.audit.actor import SYSTEM, acting_as
from app.extensions import db


@contextmanager
def job_context(job: str = "", requested_by: Select[Any] | None = None) -> Iterator[None]:
    """Push a fresh app context whose database connections belong to this process.

    The change log names the user that the query ``requested_by`` returns as the actor, else the system.
    ``flask worker`` forks for each job: the app is inherited, and earlier connections belong to the parent.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    with app.app_context():
        db.engine.dispose(close=False)
        user = db.session.scalar(requested_by) if requested_by is not None else None
        db.session.rollback()
        with acting_as(user or SYSTEM, "job", job):
            yield
