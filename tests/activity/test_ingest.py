"""Deduplication, late and repeated deliveries, rejected rows, and what a call reports."""

import csv
import itertools
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app.activity import ingest as ingest_module
from app.activity import store
from app.activity.errors import ActivityError
from app.activity.ingest import ingest
from app.activity.progress import Progress
from tests.activity.support import (
    SAMPLE,
    ZONE,
    by_day,
    counts,
    csv_text,
    events,
    person,
    row,
    take,
    write,
    write_bytes,
)

REPO = Path(__file__).parents[2]


def test_the_same_content_under_any_name_changes_nothing(root: Path, tmp_path: Path) -> None:
    rows = [row("a"), row("b", result="?")]
    first = write(tmp_path / "log.csv", rows)
    take(root, first)
    before = counts(root)
    again = write(tmp_path / "other.csv.gz", rows)
    twice = write(tmp_path / "third.csv", rows)
    result = take(root, again, twice, first).as_json()
    assert result == {
        "files": 3,
        "files_skipped": 3,
        "files_refused": 0,
        "rows": 0,
        "accepted": 0,
        "duplicates": 0,
        "rejected": {},
        "days": {},
    }
    assert counts(root) == before


def test_the_same_content_twice_in_one_call_counts_once(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", [row()])
    write(tmp_path / "b.csv.gz", [row()])
    result = take(root, tmp_path).as_json()
    assert (result["files"], result["files_skipped"], result["rows"], result["duplicates"]) == (2, 1, 1, 0)


def test_a_late_event_is_added_to_its_own_date(root: Path, tmp_path: Path) -> None:
    take(root, write(tmp_path / "a.csv", [row("a"), row("b", "2026-10-02 10:00:00")]))
    untouched = store.snapshot(root).days[date(2026, 10, 2)]
    result = take(root, write(tmp_path / "b.csv", [row("late", "2026-10-01 23:00:00")])).as_json()
    assert result["days"] == {"2026-10-01": 1}
    assert by_day(root) == {"2026-10-01": 2, "2026-10-02": 1}
    assert store.snapshot(root).days[date(2026, 10, 2)] == untouched


CLAIMS = [
    row("same", "2026-10-02 00:10:00", institution_code="LATE"),
    row("same", "2026-10-01 23:50:00", institution_code="EARLY", id_hash=person(2), result="fail"),
    row("same", "2026-10-01T15:50:00Z", institution_code="EARLY", id_hash=person(3)),
]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_earliest_of_conflicting_duplicates_wins_in_any_order(
    root: Path, tmp_path: Path, order: tuple[int, ...], together: bool
) -> None:
    files = [write(tmp_path / f"{place}.jsonl", [CLAIMS[claim]]) for place, claim in enumerate(order)]
    results = [take(root, *files)] if together else [take(root, file) for file in files]
    assert by_day(root) == {"2026-10-01": 1}
    (one,) = events(root)
    assert (one["institution"], one["person"].hex, one["ok"]) == ("EARLY", person(2)[:32], False)
    assert sum(result.as_json()["accepted"] for result in results) == 1
    assert sum(result.as_json()["duplicates"] for result in results) == 2


def test_an_earlier_duplicate_delivered_later_moves_the_event(root: Path, tmp_path: Path) -> None:
    take(root, write(tmp_path / "a.csv", [row("x", "2026-10-05 10:00:00"), row("y", "2026-10-05 11:00:00")]))
    result = take(root, write(tmp_path / "b.csv", [row("x", "2026-10-04 10:00:00")])).as_json()
    assert (result["accepted"], result["duplicates"], result["days"]) == (0, 1, {})
    assert by_day(root) == {"2026-10-04": 1, "2026-10-05": 1}
    take(root, write(tmp_path / "c.csv", [row("y", "2026-10-04 09:00:00")]))
    assert by_day(root) == {"2026-10-04": 2}
    assert counts(root)["activity"] == 2


def test_days_of_one_call_follow_an_event_that_a_later_chunk_moves(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "CHUNK_FILES", 1)
    take(root, write(tmp_path / "0.csv", [row("old", "2026-10-09 10:00:00")]))
    files = [
        write(tmp_path / "1.csv", [row("x", "2026-10-05 10:00:00"), row("y", "2026-10-05 10:00:00")]),
        write(tmp_path / "2.csv", [row("x", "2026-10-04 10:00:00"), row("old", "2026-10-08 10:00:00")]),
    ]
    result = take(root, *files).as_json()
    assert result["days"] == {"2026-10-04": 1, "2026-10-05": 1}
    assert by_day(root) == {"2026-10-04": 1, "2026-10-05": 1, "2026-10-08": 1}
    assert store.snapshot(root).version == 3


def test_duplicates_within_a_file(root: Path, tmp_path: Path) -> None:
    rows = [row("a"), row("a"), row("a", "2026-10-01 09:00:00"), row("b"), row("", "")]
    result = take(root, write(tmp_path / "a.parquet", rows))
    (record,) = result.files
    assert (record.rows, record.accepted, record.duplicates) == (5, 2, 2)
    assert record.rejected == {"missing_request_id": 1}


def test_rejected_rows_are_kept_without_id_numbers_and_formulas(root: Path, tmp_path: Path) -> None:
    number, old, wide = "11010119900307783X", "110101900307783", "１１０１０１１９９００３０７７８３Ｘ"
    broken = f"broken {number} and 110101 19900307 7832"
    text = csv_text(
        [
            row("=cmd()", id_hash=number),
            row(old, result="=1+1"),
            row("hash-kept", result="?"),
            row(f"n{wide}", event_type=f"{number},"),
        ]
    )
    result = take(root, write_bytes(tmp_path / "log.csv", f"{text}{broken}\n".encode()))
    (record,) = result.files
    file = root / str(record.rejects_file)
    assert file.name == f"{record.digest[:16]}.csv"
    with file.open(encoding="utf-8-sig", newline="") as stream:
        kept = list(csv.DictReader(stream))
    assert [(one["line"], one["reason"]) for one in kept] == [
        ("2", "bad_id_hash"),
        ("3", "bad_result"),
        ("4", "bad_result"),
        ("5", "unknown_event_type"),
        ("6", "malformed_line"),
    ]
    assert kept[0]["request_id"] == "'=cmd()"
    assert kept[0]["id_hash"] == "110**********3X"
    assert kept[1]["request_id"] == "110**********83"
    assert kept[1]["result"] == "'=1+1"
    assert kept[2]["id_hash"] == person(1)
    assert kept[4]["raw"] == "broken 110**********3X and 110**********32"
    everything = b"".join(one.read_bytes() for one in root.rglob("*") if one.is_file())
    for secret in (number, number[:-1], old, wide[:10], "19900307 7832"):
        assert secret.encode() not in everything


def test_the_scratch_folder_never_holds_an_id_number_in_clear(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that don't fit into memory get there, and a crash leaves them behind until the next call."""
    number = "110101199003077832"
    lines = csv_text([row(id_hash=number)] * 200_000) + f"broken {number}\n"
    seen = []

    def look(name: str) -> None:
        if name == "rejects written":
            seen.append([one.read_bytes() for one in (root / "tmp").rglob("*") if one.is_file()])

    monkeypatch.setattr(store, "_step", look)
    log = write_bytes(tmp_path / "log.csv", lines.encode())
    ingest(root, [log], timezone=ZONE, memory_limit="64MB", threads=2)
    assert sum(map(len, seen[0])) > 0
    assert not any(number.encode() in data for data in seen[0])
    assert not list((root / "tmp").iterdir())


def test_folders_are_searched_and_other_files_passed_over(root: Path, tmp_path: Path) -> None:
    for name in ("b/2.csv", "a/1.jsonl", "a/deep/3.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / name, [row(name)])
    for name in (".hidden.csv", "a/log.csv.part", "a/log.csv.tmp", "notes.txt", "log.xlsx"):
        (tmp_path / name).write_text("not looked at")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/x.csv").write_text("not looked at")
    result = take(root, tmp_path, tmp_path / "b" / "2.csv")
    names = [Path(file.name).relative_to(tmp_path).as_posix() for file in result.files]
    assert names == ["a/1.jsonl", "a/deep/3.parquet", "b/2.csv"]
    assert result.as_json()["accepted"] == 3


def test_a_link_to_nothing_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "gone.csv")
    write(tmp_path / "b.csv", [row()])
    result = take(root, tmp_path).as_json()
    assert (result["files_refused"], result["accepted"]) == (1, 1)


def test_a_missing_path_is_an_error_and_nothing_is_read(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ActivityError, match=r"nowhere: no such file or folder"):
        take(root, write(tmp_path / "a.csv", [row()]), tmp_path / "nowhere")
    assert by_day(root) == {}


def test_another_time_zone_is_refused(root: Path, tmp_path: Path) -> None:
    take(root, write(tmp_path / "a.csv", [row("a")]))
    with pytest.raises(ActivityError, match="Asia/Shanghai, not UTC"):
        ingest(root, [write(tmp_path / "b.csv", [row("b")])], timezone="UTC")


def test_a_file_that_changes_while_it_is_read_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ingest_module.fingerprint
    for ending in ("csv", "parquet"):
        file = write(tmp_path / f"a.{ending}", [row("a")])

        def grow(path: Path) -> object:
            found = real(path)
            write(path, [row("a"), row("b")])
            return found

        monkeypatch.setattr(ingest_module, "fingerprint", grow)
        (record,) = take(root, file).files
        assert (record.status, record.reason) == ("refused", "the file changed while it was read")
    assert by_day(root) == {}


def test_progress_counts_bytes_and_dates(root: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", [row("a"), row("b", "2026-10-02 10:00:00")])
    seen: list[Progress] = []
    ingest(root, [file], timezone=ZONE, progress=seen.append)
    assert seen[0] == Progress("read", 0, file.stat().st_size)
    assert Progress("read", file.stat().st_size, file.stat().st_size) in seen
    assert seen[-1] == Progress("merge", 2, 2)


def test_two_ingests_at_once_both_end_with_the_right_totals(root: Path, tmp_path: Path) -> None:
    alone, logs = tmp_path / "alone", tmp_path / "logs"
    for day in range(1, 8):
        shutil.copytree(SAMPLE / "logs" / f"2026-10-0{day}", logs / str(day))
    take(alone, logs)
    code = (
        "import sys, json; from pathlib import Path; from app.activity.ingest import ingest;"
        "result = ingest(Path(sys.argv[1]), [Path(sys.argv[2])], timezone='Asia/Shanghai');"
        "print(json.dumps(result.as_json()))"
    )
    # One takes everything, the other a part of the same: files meet in every possible state.
    parts = [logs, logs / "3", logs]
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(root), str(part)], cwd=REPO, stdout=subprocess.PIPE)
        for part in parts
    ]
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], outputs
    together, expected = counts(root), counts(alone)
    for figure in ("days", "events", "files", "accepted", "rejected", "rows", "activity"):
        assert together[figure] == expected[figure], figure


def test_layers_hold_the_same_events(root: Path) -> None:
    take(root, SAMPLE / "logs" / "2026-10-03", SAMPLE / "logs" / "2026-10-04")
    state = store.snapshot(root)
    for day, entry in state.days.items():
        activity = pq.read_table(root / entry.activity, partitioning=None).to_pylist()
        one_by_one = [
            one
            for one in pq.read_table(root / entry.events, partitioning=None).to_pylist()
            if one["day"] == day
        ]
        assert len(one_by_one) == entry.rows == sum(one["n"] for one in activity)
        keys = ("person", "institution", "type", "day", "hour", "ok")
        seconds: dict[tuple[object, ...], list[int]] = {}
        for one in one_by_one:
            seconds.setdefault(tuple(one[key] for key in keys), []).append(one["second"])
        assert {
            tuple(one[key] for key in keys): (one["n"], one["first_s"], one["last_s"]) for one in activity
        } == {key: (len(found), min(found), max(found)) for key, found in seconds.items()}


def test_a_shuffled_delivery_gives_the_same_store(root: Path, tmp_path: Path) -> None:
    files = sorted((SAMPLE / "logs").rglob("part-*"))[:18]
    other = tmp_path / "other"
    take(root, *files)
    for start in (2, 0, 1):
        take(other, *reversed(files[start::3]))
    assert events(other) == events(root)
