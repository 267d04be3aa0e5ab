"""A separate DATA_DIR for each test of the embedded servers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Create a DATA_DIR with a short path. Processes that still use it at the end are killed."""
    folder = Path(tempfile.mkdtemp(prefix="lmt-", dir="/tmp"))
    yield folder / "var"
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = " ".join([*(process.info["cmdline"] or []), process.info["cwd"] or ""])
        if str(folder) in words and process.pid != os.getpid():
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)
