"""The application context of a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import current_app
from sqlalchemy import Select

from app.audit.actor import SYSTEM, acting
from app.extensions import db


@contextmanager
def job_context(job: str = "", asked_by: Select[Any] | None = None) -> Iterator[None]:
    """A fresh app context with database connections of this process's own.

    What the job writes is in the change log as done by whom the query ``asked_by`` names, else by the system.
    ``flask worker`` forks for each job: the app is inherited, connections made before belong to the parent.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    with app.app_context():
        db.engine.dispose(close=False)
        who = db.session.scalar(asked_by) if asked_by is not None else None
        db.session.rollback()
        with acting(who or SYSTEM, "job", job):
            yield
