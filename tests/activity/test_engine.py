"""The analytical engine's connections."""

from __future__ import annotations

import subprocess
import sys

ASKED = """
from pathlib import Path
from app.activity.engine import EngineSettings, connect
connection = connect(EngineSettings(), Path("unused"))
print(*connection.execute("SELECT current_setting('enable_progress_bar')").fetchone())
"""


def test_a_worker_prints_no_progress_of_its_queries() -> None:
    """What it prints is the log, or the JSON that somebody reads."""
    run = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
