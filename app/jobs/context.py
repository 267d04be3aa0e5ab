"""The application context of a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

from app.extensions import db


@contextmanager
def job_context() -> Iterator[None]:
    """A fresh app context with database connections of this process's own.

    ``flask worker`` forks for each job: the app is inherited, connections made before belong to the parent.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    with app.app_context():
        db.engine.dispose(close=False)
        yield
