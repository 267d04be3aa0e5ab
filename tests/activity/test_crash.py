"""kill -9 between any two steps, then the same command again: the same totals."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from app.activity import cube, ingest, store

from .support import ZONE, counts, person, row, write

REPO = Path(__file__).parents[2]
ONCE = ("workspace made", "leads written")
# Once more in the second chunk, where something committed could be harmed.
TIMES = [*((step, 1) for step in store.STEPS), *((step, 2) for step in store.STEPS[5:] if step not in ONCE)]

# Runs the same as `work`, and kills itself at the nth time the named step is reached.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from app.activity import store
from tests.activity.test_crash import work
root, logs, name, left = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
def step(at):
    global left
    left -= at == name
    if at == name and left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
store._step = step
work(root, logs)
"""


def work(root: Path, logs: Path) -> None:
    """An ingest in two chunks, so that most steps come twice, and a lead layer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "CHUNK_FILES", 2)
        ingest.ingest(root, [logs], timezone=ZONE)
    people = pa.table({"lead": [1], "person": [person(1)[:32]]})
    cube.ensure_leads(root, store.snapshot(root).days, "list-1", lambda: people)


def run(root: Path, logs: Path, step: str, times: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PROGRAM, str(root), str(logs), step, str(times)]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    write(folder / "a.csv.gz", [row("a"), row("b", "2026-10-02 10:00:00"), row("c", result="?")])
    write(folder / "b.jsonl", [row("d", "2026-10-02 11:00:00"), row("a", "2026-10-01 11:00:00")])
    write(folder / "c.parquet", [row("e", "2026-10-02 12:00:00"), row("b", "2026-10-01 09:00:00"), row("")])
    return folder


@pytest.fixture(scope="module")
def undisturbed(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed")
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_step", seen.append)
        work(root, logs)
    assert set(seen) == set(store.STEPS), "every named step is reached"
    assert all(seen.count(step) > 1 for step in store.STEPS if step not in ONCE)
    return root


@pytest.mark.parametrize(("step", "times"), TIMES)
def test_a_kill_at_any_step_changes_no_total(
    root: Path, logs: Path, undisturbed: Path, step: str, times: int
) -> None:
    crashed = run(root, logs, step, times)
    assert crashed.returncode == -9, crashed.stderr
    work(root, logs)
    assert counts(root) == counts(undisturbed)
    state = store.snapshot(root)
    files = [file for layer in store.LAYERS for file in (root / layer).rglob("*.parquet")]
    assert {file.relative_to(root).as_posix() for file in files} == state.files() | state.retired.keys()
    assert not list((root / "tmp").iterdir())
