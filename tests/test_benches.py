"""Every benchmark still runs: each once, at a size that says nothing of speed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import performance

ROOT = Path(__file__).parent.parent
SMALL = {
    "audit": ["cost", "300"],
    "backtest": ["2000", "2000"],
    "coverage": ["2000", "1000", "3"],
    "customers": ["2000"],
    "dashboard": ["2000"],
    "delivery": ["200"],
    "effect": ["2000"],
    "evaluate": ["2000"],
    "fact_files": ["2000", "5"],
    "facts": ["2000", "3", "2"],
    "first_push": ["1500"],
    "guard": ["300"],
    "ingest": ["20000", "--days", "3"],
    "journeys": ["2000"],
    "journeys_under_way": ["60"],
    "leads_import": ["2000"],
    "lists": ["3000"],
    "moves": ["2000"],
    "outcomes": ["2000", "2000"],
    "plan": ["3"],
    "preflight": ["300"],
    "segments": ["3000"],
    "store": ["20000", "--days", "3", "--files", "3"],
    "t1": ["2000", "2000"],
}
#: each has one size only, that of the demo, whose start the other tests run too
WHOLE = {"pages", "start"}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.long
def test_a_benchmark_runs(name: str, tmp_path: Path) -> None:
    environment = os.environ | {"BENCH_DATA": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, f"bench/{name}.py", *SMALL[name]]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_benchmark_is_run_by_a_test() -> None:
    scripts = {path.stem for path in (ROOT / "bench").glob("[a-z]*.py")}
    assert scripts == SMALL.keys() | WHOLE


def test_a_benchmark_that_ran_again_replaces_its_section_only(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    for name, printed in (("plan", "first"), ("audit", "other"), ("plan", "second")):
        performance.write(page, name, performance.section(name, 0.4, printed))
    text = page.read_text("utf-8")
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## audit", "## plan"]
    assert [word for word in ("first", "other", "second") if f"\n{word}\n" in text] == ["other", "second"]
    assert text.startswith(performance.HEAD)
