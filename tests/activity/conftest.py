"""Fixtures of the activity tests."""

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty store, apart from the test's own files."""
    return tmp_path_factory.mktemp("store")
