"""Work that the disk has no room for is refused before it starts, with figures, and changes nothing."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from app.activity import cube, ingest, room, store
from app.activity.errors import ActivityError
from app.activity.settings import EngineSettings
from app.activity.withdraw import withdraw
from tests.activity.support import NOW, ZONE, counts, person, row, take, write

PEOPLE = pa.table({"lead": [1], "person": [person(1)[:32]]})
#: more than any disk has
ALL = 1 << 60


def fill(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(room, "SPARE_BYTES", ALL)


def refused() -> "pytest.RaisesExc[ActivityError]":
    return pytest.raises(
        ActivityError, match=r"not enough room on the disk of .*: about \d.* needed, 0 MB are"
    )


def all_files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_an_ingest_says_so_before_it_reads(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(root, write(tmp_path / "a.csv", [row("a")]))
    before, files = counts(root), all_files(root)
    more = write(tmp_path / "b.csv", [row("b")])
    fill(monkeypatch)
    monkeypatch.setattr(ingest.checks, "load", None)
    with refused():
        take(root, more)
    assert (counts(root), all_files(root)) == (before, files)


def test_what_files_become_is_estimated_from_their_size(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal tells what is needed: a spilled and a stored part of each compressed byte."""
    seen: list[int] = []
    monkeypatch.setattr(room, "require", lambda folder, needed: seen.append(needed))
    rows = [row(str(n)) for n in range(1000)]
    for name in ("a.csv", "a.csv.gz", "a.parquet"):
        file = write(tmp_path / name, rows)
        take(root, file)
        size = file.stat().st_size // (3 if name == "a.csv" else 1)
        assert seen[0] == int(1.2 * size + 1.6 * size)
        seen.clear()


def test_a_commit_says_so_before_it_writes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only then it is known which dates the files change, all of whose events are written anew."""
    take(root, write(tmp_path / "a.csv", [row(str(n)) for n in range(500)]))
    before, files = counts(root), all_files(root)
    required: list[int] = []

    def until_commit(folder: Path, needed: int) -> None:
        required.append(needed)
        if len(required) == 2:
            fill(monkeypatch)
            require(folder, needed)

    require = room.require
    monkeypatch.setattr(room, "require", until_commit)
    with refused():
        take(root, write(tmp_path / "b.csv", [row("b", "2026-10-01 09:00:00")]))
    day = store.snapshot(root).days[date(2026, 10, 1)]
    rewritten = sum((root / name).stat().st_size for name in (day.events, day.activity))
    assert required[1] == rewritten + store.BYTES_A_ROW
    assert counts(root) == before
    assert {path for path in all_files(root) if "ids" not in path.parts} == {
        path for path in files if "ids" not in path.parts
    }


def test_a_lead_layer_says_so_before_it_writes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(root, write(tmp_path / "a.csv", [row("a")]))
    files = all_files(root)
    fill(monkeypatch)
    with refused():
        cube.ensure_leads(root, store.snapshot(root).days, "list", lambda: PEOPLE)
    assert all_files(root) == files


def test_a_withdrawal_says_so_before_it_writes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(root, write(tmp_path / "a.csv", [row("a")]))
    before = counts(root)
    digest = store.deliveries(store.snapshot(root))[0]["digest"]
    fill(monkeypatch)
    with refused():
        withdraw(root, digest, {"source": "s"}, timezone=ZONE, now=NOW, settings=EngineSettings())
    assert counts(root) == before
