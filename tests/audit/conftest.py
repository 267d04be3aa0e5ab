"""Fixtures for reading the change log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

Entries = Callable[..., list[Any]]


@pytest.fixture
def entries(engine: Engine) -> Entries:
    """Return the entries with the given columns, oldest first: ``entries(object="lead", kind="update")``."""

    def find(**columns: Any) -> list[Any]:
        given = " AND ".join(["true", *(f"{name} = :{name}" for name in columns)])
        with engine.connect() as connection:
            return list(
                connection.execute(text(f"SELECT * FROM change_log WHERE {given} ORDER BY id"), columns)
            )

    return find
