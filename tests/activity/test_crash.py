"""After kill -9 between any two steps, repeating the command gives the same totals."""

import multiprocessing
import os
import signal
from pathlib import Path

import pyarrow as pa
import pytest

from app.activity import cube, ingest, store
from tests.activity.support import ZONE, counts, person, row, write
from tests.thorough import share, thorough

ONCE = ("workspace made", "leads written")
# Once more in the second chunk, where something committed could be harmed.
TIMES = [*((step, 1) for step in store.STEPS), *((step, 2) for step in store.STEPS[5:] if step not in ONCE)]

#: Makes processes by forking one that has imported this module.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])


def work(root: Path, logs: Path) -> None:
    """Ingest in two chunks, so that most steps occur twice, and build a lead layer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "CHUNK_FILES", 2)
        ingest.ingest(root, [logs], timezone=ZONE)
    people = pa.table({"lead": [1], "person": [person(1)[:32]]})
    cube.ensure_leads(root, store.snapshot(root).days, "list-1", lambda: people)


def work_until(root: Path, logs: Path, name: str, times: int) -> None:
    """Do the same as `work`, but kill this process when it reaches the named step once too often."""
    left = times

    def step(at: str) -> None:
        nonlocal left
        left -= at == name
        if at == name and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    store._step = step
    work(root, logs)


def run(root: Path, logs: Path, step: str, times: int) -> int | None:
    process = FORKS.Process(target=work_until, args=(root, logs, step, times))
    process.start()
    process.join()
    return process.exitcode


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


@thorough
@pytest.mark.parametrize(("step", "times"), share(TIMES, 6))
def test_a_kill_at_any_step_changes_no_total(
    root: Path, logs: Path, undisturbed: Path, step: str, times: int
) -> None:
    assert run(root, logs, step, times) == -signal.SIGKILL
    work(root, logs)
    assert counts(root) == counts(undisturbed)
    state = store.snapshot(root)
    files = [file for layer in (*store.LAYERS, "ids") for file in (root / layer).rglob("*.*")]
    assert {file.relative_to(root).as_posix() for file in files} == state.files() | state.retired.keys()
    assert not list((root / "tmp").iterdir())
