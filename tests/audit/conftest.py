"""Reading the change log as a test wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.access.world import World, build

Entries = Callable[..., list[Any]]


@pytest.fixture
def world(app: Flask, session: Session) -> World:
    """A row of everything, in two branches."""
    return build(session, app.config["SETTINGS"])


@pytest.fixture
def entries(engine: Engine) -> Entries:
    """The entries with the given columns, oldest first: ``entries(object="lead", kind="update")``."""

    def find(**columns: Any) -> list[Any]:
        given = " AND ".join(["true", *(f"{name} = :{name}" for name in columns)])
        with engine.connect() as connection:
            return list(
                connection.execute(text(f"SELECT * FROM change_log WHERE {given} ORDER BY id"), columns)
            )

    return find
