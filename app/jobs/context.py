"""The application context of a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app, has_app_context

from app.extensions import db


@contextmanager
def job_context() -> Iterator[None]:
    """An app context with database connections of this process's own.

    A worker forks for each job; connections made before the fork belong to the parent.
    """
    if has_app_context():
        app = current_app._get_current_object()  # type: ignore[attr-defined]
    else:
        from app import create_app

        app = create_app()
    with app.app_context():
        db.engine.dispose(close=False)
        yield
