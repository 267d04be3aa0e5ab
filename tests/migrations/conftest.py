"""An application whose database no migration has run on yet."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url

from app import create_app
from app.extensions import db
from config import Settings


@pytest.fixture
def empty_app(base_settings: Settings, tmp_path: Path) -> Iterator[Flask]:
    """An application on a database of its own without any table."""
    name = f"test_empty_{uuid.uuid4().hex[:8]}"
    url = make_url(base_settings.database_url)
    with psycopg.connect(
        url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    ) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    own = url.set(database=name).render_as_string(hide_password=False)
    application = create_app(dataclasses.replace(base_settings, database_url=own, data_dir=tmp_path))
    yield application
    with application.app_context():
        db.engine.dispose()
