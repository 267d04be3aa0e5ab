"""A bank to look at."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.access.world import World, build


@pytest.fixture
def world(app: Flask, session: Session) -> World:
    """A row of everything, in two branches."""
    return build(session, app.config["SETTINGS"])
