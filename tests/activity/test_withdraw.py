"""Withdrawn and replaced deliveries: the store is as if it had never seen them."""

import json
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.activity import cube, store
from app.activity.errors import ActivityError
from app.activity.ingest import ingest
from app.activity.query import rows_by_day_and_institution
from app.activity.withdraw import Correction, withdraw
from tests.activity.support import NOW, ZONE, Row, by_day, events, person, row, take, write
from tests.thorough import examples

NOTE = {"reason": "a test file", "source": "correction 1"}


def digest_of(root: Path, path: Path) -> str:
    """Return the digest of the newest delivery of a file."""
    records = store.deliveries(store.snapshot(root))
    return str([record["digest"] for record in records if record["name"] == str(path)][-1])


def take_out(root: Path, path: Path, replacement: Path | None = None) -> Correction:
    return withdraw(root, digest_of(root, path), NOTE, timezone=ZONE, now=NOW, replacement=replacement)


def everything(root: Path) -> dict[str, Any]:
    """Return every layer of a store and the figures of its deliveries, whatever their numbers are."""
    state = store.snapshot(root)
    records = [each for each in store.deliveries(state) if "withdrawn" not in each]
    names = {each["delivery"]: each["name"] for each in records}
    leads = pa.table({"lead": [1, 2], "person": [person(one)[:32] for one in (1, 2)]})
    state = cube.ensure_leads(root, state.days, "list", lambda: leads)

    def rows(name: str) -> list[dict[str, Any]]:
        found = pq.read_table(root / name, partitioning=None).to_pylist()
        return [one | {"delivery": names[one["delivery"]]} if "delivery" in one else one for one in found]

    first, last = date(2026, 10, 1), date(2026, 10, 9)
    return {
        "events": {day: rows(entry.events) for day, entry in state.days.items()},
        "duplicates": {
            day: sorted(rows(name), key=lambda one: (str(one["rid"]), one["delivery"]))
            for day, name in state.duplicates.items()
        },
        "activity": {day: rows(entry.activity) for day, entry in state.days.items()},
        "leads": {day: rows(str(entry.leads)) for day, entry in state.days.items()},
        "rows": {day: entry.rows for day, entry in state.days.items()},
        "institutions": rows_by_day_and_institution(state, first, last) if state.days else [],
        "files": {
            each["name"]: [each[key] for key in ("digest", "rows", "accepted", "duplicates", "rejected")]
            + [{day: n for day, n in each["days"].items() if n}]
            for each in records
        },
    }


claims = st.builds(
    lambda request, moment, institution, who, result: row(
        request, moment, institution_code=institution, id_hash=person(who), result=result
    ),
    st.sampled_from("abcde"),
    st.sampled_from(["2026-10-01 10:00:00", "2026-10-01 11:00:00", "2026-10-02 09:00:00", "no time"]),
    st.sampled_from(["I1", "I2"]),
    st.sampled_from([1, 2]),
    st.sampled_from(["success", "fail"]),
)
#: a call of ingest has one or two files; afterwards some of the files there are may be taken out or replaced
calls = st.lists(
    st.tuples(
        st.lists(st.lists(claims, min_size=1, max_size=5), min_size=1, max_size=2),
        st.lists(
            st.tuples(st.integers(0, 7), st.none() | st.lists(claims, min_size=1, max_size=4)), max_size=2
        ),
    ),
    min_size=1,
    max_size=3,
)


@examples(10, 150)
@given(calls)
def test_a_store_is_as_if_it_had_never_seen_what_was_taken_out(
    calls: Sequence[tuple[list[list[Row]], list[tuple[int, list[Row] | None]]]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root, other = folder / "store", folder / "other"
        alive: list[list[Path]] = []

        def new_file(rows: list[Row]) -> Path:
            number = len(list(folder.glob("*.jsonl")))
            # The number makes the content of each file its own.
            return write(folder / f"{number:02}.jsonl", [*rows, row(request_id=f"own-{number}")])

        for files, corrections in calls:
            alive.append([new_file(rows) for rows in files])
            take(root, *alive[-1])
            for number, rows in corrections:
                old = [path for paths in alive for path in paths][number % sum(map(len, alive))]
                new = None if rows is None else new_file(rows)
                before = sum(by_day(root).values())
                done = take_out(root, old, new)
                assert sum(by_day(root).values()) - before == done.accepted - done.withdrawn
                alive = [[path for path in paths if path != old] for paths in alive]
                alive.extend([[new]] if new else [])
                if not any(alive):
                    break
        for paths in filter(None, alive):
            take(other, *paths)
        assert everything(root) == everything(other)


def test_an_event_that_lost_counts_again(root: Path, tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", [row("x", "2026-10-05 10:00:00"), row("y", "2026-10-05 11:00:00")])
    wrong = write(tmp_path / "b.csv", [row("x", "2026-10-04 10:00:00", institution_code="WRONG"), row("z")])
    take(root, first)
    take(root, wrong)
    assert by_day(root) == {"2026-10-01": 1, "2026-10-04": 1, "2026-10-05": 1}
    assert take_out(root, wrong) == Correction(2, 1, [date(2026, 10, n) for n in (1, 4, 5)])
    assert by_day(root) == {"2026-10-05": 2}
    assert {one["institution"] for one in events(root)} == {"I1"}


def test_a_replacement_is_one_commit(root: Path, tmp_path: Path) -> None:
    old = write(tmp_path / "a.csv", [row("x"), row("y"), row("z", "2026-10-02 10:00:00")])
    new = write(tmp_path / "b.csv", [row("x", result="fail"), row("w", "2026-10-03 10:00:00")])
    take(root, old)
    version = store.snapshot(root).version
    assert take_out(root, old, new) == Correction(3, 2, [date(2026, 10, n) for n in (1, 2, 3)])
    assert store.snapshot(root).version == version + 1
    assert by_day(root) == {"2026-10-01": 1, "2026-10-03": 1}
    assert [one["ok"] for one in events(root)].count(False) == 1


@pytest.mark.parametrize("step", [step for step in store.STEPS[:-1] if step != "leads written"])
def test_a_correction_that_ends_early_leaves_the_store_as_it_was(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    old = write(tmp_path / "a.csv", [row("x"), row("y")])
    take(root, write(tmp_path / "0.csv", [row("x", "2026-10-02 10:00:00"), row("v")]), old)
    before = everything(root)
    new = write(tmp_path / "b.csv", [row("x", result="fail"), row("v", "2026-10-01 09:00:00"), row("")])

    def fail(at: str) -> None:
        if at == step:
            raise InterruptedError

    monkeypatch.setattr(store, "_step", fail)
    with pytest.raises(InterruptedError):
        take_out(root, old, new)
    monkeypatch.undo()
    assert everything(root) == before
    take_out(root, old, new)
    assert set(everything(root)["files"]) == {str(tmp_path / "0.csv"), str(new)}


def test_what_was_withdrawn_comes_back_only_by_name(root: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [row("x")])
    take(root, path)
    take_out(root, path)
    assert by_day(root) == {}
    listed = ingest(root, [path], timezone=ZONE, now=NOW, listed=True)
    assert [(file.status, file.reason) for file in listed.files] == [
        ("skipped", "the same content was delivered before and withdrawn")
    ]
    assert take(root, path).as_json()["accepted"] == 1
    assert take(root, path).as_json()["files_skipped"] == 1
    take_out(root, path)
    assert by_day(root) == {}


def test_what_can_not_be_withdrawn_is_refused(root: Path, tmp_path: Path) -> None:
    path, other = write(tmp_path / "a.csv", [row("x")]), write(tmp_path / "b.csv", [row("y")])
    take(root, path, other)
    before = everything(root)
    with pytest.raises(ActivityError, match="no delivery with the content"):
        withdraw(root, "0" * 64, NOTE, timezone=ZONE)
    for replacement, why in (
        (path, "its content was delivered before"),
        (other, "its content was delivered before"),
        (tmp_path / "missing.csv", "it cannot be opened"),
    ):
        with pytest.raises(ActivityError, match=why):
            take_out(root, path, replacement)
    assert everything(root) == before
    take_out(root, path)
    with pytest.raises(ActivityError, match="is withdrawn already"):
        take_out(root, path)


def as_before_deliveries_were_told(root: Path) -> None:
    """Make a store like those whose events don't say where they came from."""
    manifest = json.loads((root / "manifest.json").read_text())
    del manifest["duplicates"]
    for entry in manifest["days"].values():
        del entry["has_deliveries"]
        table = pq.read_table(root / entry["events"], partitioning=None)
        pq.write_table(table.drop_columns(["delivery"]), root / entry["events"])
    journal = [json.loads(line) for line in (root / "deliveries.jsonl").read_text().splitlines()]
    for record in journal:
        del record["delivery"], record["other_content"]
    text = "".join(json.dumps(record) + "\n" for record in journal)
    (root / "deliveries.jsonl").write_text(text)
    manifest["journal_bytes"] = len(text)
    (root / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("later", ["2026-10-01 12:00:00", "2026-10-01 09:00:00"])
def test_events_of_an_older_store_stay_and_only_newer_ones_are_withdrawn(
    root: Path, tmp_path: Path, later: str
) -> None:
    old = write(tmp_path / "a.csv", [row("x"), row("y"), row("z", "2026-10-02 10:00:00")])
    take(root, old)
    before = events(root)
    as_before_deliveries_were_told(root)
    with pytest.raises(ActivityError, match="can't be told from others"):
        take_out(root, old)
    new = write(tmp_path / "b.csv", [row("x", later, institution_code="WRONG"), row("w")])
    result = take(root, new).as_json()
    assert (result["accepted"], result["duplicates"]) == (1, 1)
    assert by_day(root) == {"2026-10-01": 3, "2026-10-02": 1}
    take_out(root, new)
    assert events(root) == before
    with pytest.raises(ActivityError, match="can't be told from others"):
        take_out(root, old)


def test_duplicates_with_other_content_are_counted(root: Path, tmp_path: Path) -> None:
    take(root, write(tmp_path / "a.csv", [row("x"), row("y"), row("z")]))
    again = [
        row("x"),
        row("y", "2026-10-01 11:00:00"),
        row("z", result="fail"),
        row("z", "2026-10-01 09:00:00"),
        row("new"),
        row("new"),
        row("new", institution_code="I2"),
    ]
    (record,) = take(root, write(tmp_path / "b.csv", again)).files
    assert (record.accepted, record.duplicates, record.other_content) == (1, 6, 4)
    (entry,) = [one for one in store.deliveries(store.snapshot(root)) if one["name"].endswith("b.csv")]
    assert entry["other_content"] == 4


def test_retention_drops_duplicates_too(root: Path, tmp_path: Path) -> None:
    take(root, write(tmp_path / "a.csv", [row("x", "2026-10-02 10:00:00")]))
    take(root, write(tmp_path / "b.csv", [row("x", "2026-10-03 10:00:00"), row("y", "2026-10-04 10:00:00")]))
    assert list(store.snapshot(root).duplicates) == [date(2026, 10, 3)]
    assert store.drop_days_before(root, date(2026, 10, 4)) == 1
    assert store.snapshot(root).duplicates == {}
    assert by_day(root) == {"2026-10-04": 1}


def test_the_best_duplicate_counts_again_and_the_first_delivery_accepted_it(
    root: Path, tmp_path: Path
) -> None:
    moments = {"wrong": "09:00:00", "late": "11:00:00", "best": "10:00:00", "last": "12:00:00"}
    paths = {
        name: write(tmp_path / f"{name}.csv", [row("x", f"2026-10-01 {at}", institution_code=name)])
        for name, at in moments.items()
    }
    for path in paths.values():
        take(root, path)
    assert take_out(root, paths["wrong"]) == Correction(1, 1, [date(2026, 10, 1)])
    assert [one["institution"] for one in events(root)] == ["best"]
    accepted = {name: figures[2] for name, figures in everything(root)["files"].items()}
    assert accepted == {str(paths["late"]): 1, str(paths["best"]): 0, str(paths["last"]): 0}
