"""Fixtures of the leads tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from config import Settings
from tests.leads.support import Importer


@pytest.fixture
def importer(engine: Engine, settings: Settings, tmp_path: Path) -> Importer:
    """An importer for this worker's database, with lead files in ``folder``, outside DATA_DIR."""
    folder = tmp_path / "delivered"
    folder.mkdir()
    return Importer(engine, settings, folder)
