"""The importer that tests of the leads package work with."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from config import Settings
from tests.leads.support import Importer


@pytest.fixture
def importer(engine: Engine, settings: Settings, tmp_path: Path) -> Importer:
    """Imports into this worker's database; lead files lie in ``folder``, away from DATA_DIR."""
    folder = tmp_path / "delivered"
    folder.mkdir()
    return Importer(engine, settings, folder)
