"""The manifest, its readers and writers, the lead layer and retention."""

import fcntl
import json
import os
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.activity import cube, store
from app.activity.errors import ActivityError
from app.activity.progress import Progress
from tests.activity.support import by_day, person, row, take, write

DAY = date(2026, 10, 1)


def leads_of(*people: int) -> pa.Table:
    return pa.table({"lead": [100 + one for one in people], "person": [person(one)[:32] for one in people]})


def lead_rows(root: Path, day: date = DAY) -> list[tuple[int, int]]:
    entry = store.snapshot(root).days[day]
    table = pq.read_table(root / str(entry.leads), partitioning=None)
    return [(one["lead"], one["n"]) for one in table.to_pylist()]


def test_the_lead_layer_holds_leads_only_and_follows_the_list(root: Path, tmp_path: Path) -> None:
    rows = [row("a"), row("b"), row("c", id_hash=person(2)), row("d", id_hash=person(3))]
    take(root, write(tmp_path / "a.csv", rows))
    seen: list[Progress] = []
    cube.ensure_leads(root, [DAY, date(2026, 10, 2)], "one", lambda: leads_of(1, 3, 4), progress=seen.append)
    assert lead_rows(root) == [(101, 2), (103, 1)]
    assert seen == [Progress("leads", 0, 1), Progress("leads", 1, 1)]
    cube.ensure_leads(root, [DAY], "two", lambda: leads_of(2))
    assert lead_rows(root) == [(102, 1)]


def test_the_lead_layer_is_built_only_when_something_changed(root: Path, tmp_path: Path) -> None:
    take(root, write(tmp_path / "a.csv", [row("a"), row("b", "2026-10-02 10:00:00")]))
    days = [DAY, date(2026, 10, 2)]
    first = cube.ensure_leads(root, days, "one", lambda: leads_of(1))

    def never() -> pa.Table:
        raise AssertionError("nothing is to do")

    assert cube.ensure_leads(root, days, "one", never) == first
    take(root, write(tmp_path / "b.csv", [row("c", "2026-10-02 11:00:00")]))
    second = cube.ensure_leads(root, days, "one", lambda: leads_of(1).to_reader())
    assert second.days[DAY] == first.days[DAY]
    assert lead_rows(root, days[1]) == [(101, 1), (101, 1)]


def test_a_lead_list_that_makes_no_sense_is_an_error(root: Path, tmp_path: Path) -> None:
    take(root, write(tmp_path / "a.csv", [row("a")]))
    with pytest.raises(ActivityError, match="32 hex digits"):
        cube.ensure_leads(root, [DAY], "one", lambda: pa.table({"lead": [1], "person": ["nobody"]}))
    assert store.snapshot(root).days[DAY].leads is None


def test_a_damaged_manifest_is_an_error(root: Path) -> None:
    for text in ("{", "[]", '{"version": 1}', '{"version": 1, "days": {"x": {}}}'):
        (root / "manifest.json").write_text(text)
        with pytest.raises(ActivityError, match=r"manifest.*damaged"):
            store.snapshot(root)


def test_replaced_files_stay_for_readers_and_leave_later(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(root, write(tmp_path / "a.csv", [row("a")]))
    held = store.snapshot(root)
    take(root, write(tmp_path / "b.csv", [row("b")]))
    take(root, write(tmp_path / "c.csv", [row("c")]))
    assert all((root / name).exists() for name in held.files())
    monkeypatch.setattr(store, "KEEP_RETIRED_SECONDS", -1)
    with store.writing(root):
        pass
    replaced = held.files() - store.snapshot(root).files()
    assert replaced
    assert not any((root / name).exists() for name in replaced)
    assert by_day(root) == {"2026-10-01": 3}


def test_what_a_crash_left_is_cleared_by_the_next_writer(root: Path, tmp_path: Path) -> None:
    take(root, write(tmp_path / "a.csv", [row("a")]))
    before = store.deliveries(store.snapshot(root))
    stray = root / "events" / "day=2026-10-07" / "9.parquet"
    stray.parent.mkdir()
    stray.write_bytes(b"half")
    with (root / "deliveries.jsonl").open("ab") as journal:
        journal.write(b'{"half": ')
    abandoned = root / "tmp" / "work-dead"
    abandoned.mkdir()
    (abandoned / "lock").touch()
    assert store.deliveries(store.snapshot(root)) == before
    take(root, write(tmp_path / "b.csv", [row("b")]))
    assert not stray.parent.exists()
    assert not abandoned.exists()
    assert [record["accepted"] for record in store.deliveries(store.snapshot(root))] == [1, 1]


def test_a_scratch_folder_in_use_is_left_alone(root: Path) -> None:
    with store.workspace(root) as mine:
        with store.workspace(root) as other:
            assert mine.exists()
            assert other.exists()
        assert mine.exists()
        assert not other.exists()
    assert not mine.exists()


def test_a_writer_keeps_others_out(root: Path) -> None:
    with store.writing(root), (root / "lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (root / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_days_and_digest(root: Path, tmp_path: Path) -> None:
    assert store.days(store.snapshot(root)) == []
    take(root, write(tmp_path / "a.csv", [row("a", "2026-10-05 10:00:00"), row("b")]))
    first = store.snapshot(root)
    assert store.days(first) == [DAY, date(2026, 10, 5)]
    take(root, write(tmp_path / "b.csv", [row("c")]))
    second = store.snapshot(root)
    assert first.digest(DAY, date(2026, 10, 5)) != second.digest(DAY, date(2026, 10, 5))
    assert first.digest(date(2026, 10, 2), date(2026, 10, 5)) == second.digest(
        date(2026, 10, 2), date(2026, 10, 5)
    )


def test_old_dates_are_dropped(root: Path, tmp_path: Path) -> None:
    result = take(root, write(tmp_path / "a.csv", [row("a"), row("b", "2026-10-02 10:00:00"), row("")]))
    rejects = root / str(result.files[0].rejects_file)
    assert store.drop_days_before(root, date(2026, 10, 2)) == 1
    assert by_day(root) == {"2026-10-02": 1}
    assert rejects.exists(), "delivered today, which is not before that date"
    assert store.drop_days_before(root, date(9000, 1, 1)) == 1
    assert by_day(root) == {}
    assert not rejects.exists()
    assert store.drop_days_before(root, date(9000, 1, 1)) == 0


def test_a_commit_is_one_rename(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the rename every reader sees the old state, whatever else is on disk."""
    take(root, write(tmp_path / "a.csv", [row("a")]))
    before = store.snapshot(root)
    seen = []
    real = os.replace

    def watch(source: Path, target: Path) -> None:
        seen.append(store.snapshot(root))
        real(source, target)

    monkeypatch.setattr(os, "replace", watch)
    take(root, write(tmp_path / "b.csv", [row("b")]))
    assert seen == [before]
    assert json.loads((root / "manifest.json").read_text())["version"] == before.version + 1
