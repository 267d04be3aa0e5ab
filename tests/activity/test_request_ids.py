"""The index of request ids: every id is recognized, and only dates that may hold one are read."""

import json
import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from app.activity import request_ids, store
from tests.activity.support import by_day, counts, row, take, write
from tests.activity.test_ingest import CLAIMS
from tests.activity.test_withdraw import take_out

DAYS = [date(2026, 10, 1) + timedelta(days=n) for n in range(5)]


def deliver(root: Path, folder: Path, name: str, *ids: tuple[str, date]) -> tuple[int, int]:
    """Ingest a file with these ids. Return the numbers of accepted events and of duplicates."""
    rows = [row(each, f"{day.isoformat()} 10:00:00", institution_code=name) for each, day in ids]
    result = take(root, write(folder / f"{name}.csv", rows)).as_json()
    return result["accepted"], result["duplicates"]


def forget_index(root: Path) -> None:
    """Turn the store into one that was written before there was an index."""
    data = json.loads((root / "manifest.json").read_text())
    del data["ids"]
    (root / "manifest.json").write_text(json.dumps(data))


def lose_events(root: Path, *days: date) -> None:
    for day in days:
        (root / store.snapshot(root).days[day].events).unlink()


def test_only_dates_that_may_hold_an_id_are_read(root: Path, tmp_path: Path) -> None:
    for n, day in enumerate(DAYS):
        deliver(root, tmp_path, f"d{n}", (f"r{n}", day))
    lose_events(root, *(day for day in DAYS if day != DAYS[2]))
    assert deliver(root, tmp_path, "new", ("r2", DAYS[2]), ("another", DAYS[2])) == (1, 1)


@pytest.mark.parametrize("seed", range(4))
def test_each_id_is_recognized_after_any_number_of_commits(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(request_ids, "FAN", 2)
    monkeypatch.setattr(request_ids, "PART_ROWS", 3)
    chance = random.Random(seed)
    known: set[str] = set()
    for n in range(12):
        ids = [f"r{chance.randrange(40)}" for _ in range(chance.randrange(1, 12))]
        accepted, duplicates = deliver(
            root, tmp_path, f"f{n}", *((each, chance.choice(DAYS)) for each in ids)
        )
        assert (accepted, duplicates) == (len({*ids} - known), len(ids) - len({*ids} - known))
        known |= {*ids}
    assert len(store.snapshot(root).ids.runs) <= 7
    assert sum(by_day(root).values()) == len(known)


def test_a_store_without_an_index_gets_one_while_it_is_used(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_ids, "ADDED_ROWS", 1)
    for n, day in enumerate(DAYS):
        deliver(root, tmp_path, f"d{n}", (f"r{n}", day))
    forget_index(root)
    for n, left in enumerate((4, 3, 2, 1, 0)):
        again = [(f"r{m}", day) for m, day in enumerate(DAYS)]
        assert deliver(root, tmp_path, f"again{n}", *again) == (0, 5)
        assert store.snapshot(root).ids.missing == tuple(DAYS[5 - left :])
    lose_events(root, *DAYS)
    assert deliver(root, tmp_path, "new", ("new", date(2026, 10, 9))) == (1, 0)


def test_a_damaged_index_is_made_again(root: Path, tmp_path: Path) -> None:
    deliver(root, tmp_path, "a", ("a", DAYS[0]))
    deliver(root, tmp_path, "b", ("b", DAYS[1]))
    first, second = store.snapshot(root).ids.runs
    (root / first.keys).unlink()
    assert deliver(root, tmp_path, "again", ("a", DAYS[0]), ("b", DAYS[1])) == (0, 2)
    (root / store.snapshot(root).ids.runs[0].days).write_bytes(b"")
    assert deliver(root, tmp_path, "more", ("b", DAYS[3]), ("a", DAYS[3])) == (0, 2)
    assert second.name not in {run.name for run in store.snapshot(root).ids.runs}


@pytest.mark.parametrize("indexed", [True, False])
def test_what_counts_again_after_a_withdrawal_is_recognized(
    root: Path, tmp_path: Path, *, indexed: bool
) -> None:
    first = write(tmp_path / "first.jsonl", [CLAIMS[1]])
    take(root, first)
    take(root, write(tmp_path / "second.jsonl", [CLAIMS[0]]))
    if not indexed:
        forget_index(root)
        deliver(root, tmp_path, "other", ("other", DAYS[4]))
    take_out(root, first)
    assert by_day(root).get("2026-10-02") == 1
    assert deliver(root, tmp_path, "third", ("same", DAYS[3])) == (0, 1)


def test_entries_of_dropped_dates_leave_the_index(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_ids, "FAN", 2)
    for n, day in enumerate(DAYS):
        deliver(root, tmp_path, f"d{n}", *((f"r{n}-{m}", day) for m in range(4)))
    store.drop_days_before(root, DAYS[4])
    deliver(root, tmp_path, "new", *((f"n{m}", DAYS[4]) for m in range(20)))
    deliver(root, tmp_path, "newer", *((f"o{m}", DAYS[4]) for m in range(20)))
    assert sum(run.rows for run in store.snapshot(root).ids.runs) == 44
    assert deliver(root, tmp_path, "late", ("r0-0", DAYS[0])) == (1, 0)
    assert counts(root)["days"] == {"2026-10-01": 1, "2026-10-05": 44}
