"""Memory of processes: heavy libraries are loaded on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.embedded.support import ROOT

HEAVY = {
    "adbc_driver_postgresql",
    "duckdb",
    "ibis",
    "numpy",
    "openpyxl",
    "pandas",
    "pyarrow",
    "sqlglot",
    "typst",
}
APPLICATION = {"flask", "flask_appbuilder", "sqlalchemy", "redis", "rq", *HEAVY}
WEB = {"app.screens", "app.console", "app.views", "flask_talisman"}
SUPERVISOR = """
import run, socket
from config import load_settings
with socket.socket() as listener:
    run._programs(listener)
run._announce(load_settings())
"""
WORKER = """
from app import create_app
from app.jobs import worker, ticker, push, imports, exports, reports, outreach
with create_app().app_context():
    pass
"""


@pytest.mark.parametrize(
    ("program", "without"),
    [(SUPERVISOR, APPLICATION - {"redis"}), (WORKER, {*HEAVY, *WEB})],
    ids=["supervisor", "application"],
)
def test_a_process_starts_without(sample_env: dict[str, str], program: str, without: set[str]) -> None:
    asked = f"{program}\nimport sys\nprint(*sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, env=sample_env, check=True, capture_output=True, text=True
    )
    loaded = shown.stdout.split()
    parents = {name.partition(".")[0] for name in loaded}
    assert (parents | set(loaded)) & without == set()
