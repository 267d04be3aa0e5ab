"""Files from other systems: ids as written, truncated files, and names and files of every kind."""

import csv
import gzip
import json
import os
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.activity import store
from tests.activity.support import NOW, SAMPLE, csv_text, events, person, row, take, write, write_bytes
from tests.thorough import examples, share, thorough

FAULTS = SAMPLE.parent / "faults"


def table(path: Path, **columns: pa.Array) -> Path:
    """Write a Parquet file of two rows, with the given columns replaced. Return the path."""
    usual = {name: pa.array([value] * 2) for name, value in row().items()} | {"request_id": pa.array("ab")}
    pq.write_table(pa.table(usual | columns), path)
    return path


def rejected_rows(root: Path) -> list[dict[str, str]]:
    return [
        one
        for file in sorted((root / "rejected").glob("*.csv"))
        for one in csv.DictReader(file.open(encoding="utf-8-sig", newline=""))
    ]


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("F04_big_integer_ids.jsonl", 10, 0),
        ("F07_cut.csv", 0, 1),
        ("F07_cut.jsonl", 0, 1),
        ("F14_raw_hash.parquet", 2, 0),
        ("F23_trailing_comma.csv", 2, 0),
    ],
)
def test_each_delivered_fault(root: Path, name: str, accepted: int, refused: int) -> None:
    result = take(root, FAULTS / name).as_json()
    assert (result["accepted"], result["files_refused"], result["duplicates"]) == (accepted, refused, 0)
    assert result["rejected"] == {}


def test_times_too_far_ahead_or_too_long_ago_are_rejected(root: Path) -> None:
    result = take(root, FAULTS / "F22_odd_times.csv").as_json()
    kept = {one["request_id"] for one in rejected_rows(root) if one["reason"] == "bad_event_time"}
    assert kept >= {f"rq00{number}" for number in (2055, 2056, 2057, 2058, 2059, 2064)}
    assert set(result["days"]) == {"2026-10-26"}


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("2000-01-01 00:00:00", True),
        ("1999-12-31 23:59:59.999", False),
        ("1999-12-31T16:00:00Z", True),
        ("2026-11-02 12:00:00", True),
        ("2026-11-02 12:00:00.001", False),
        ("2026-11-02T04:00:00Z", True),
        ("2026-11-02T04:00:01Z", False),
    ],
)
def test_the_bounds_of_event_times_are_local(root: Path, tmp_path: Path, text: str, sound: bool) -> None:
    assert datetime(2026, 11, 1, 4, tzinfo=UTC) == NOW
    result = take(root, write(tmp_path / "a.jsonl", [row(event_time=text)])).as_json()
    assert result["rejected"] == ({} if sound else {"bad_event_time": 1})


def test_a_time_rejected_today_is_accepted_when_its_day_has_come(root: Path, tmp_path: Path) -> None:
    rows = [row(event_time="2026-11-05 10:00:00")]
    assert take(root, write(tmp_path / "a.csv", rows)).as_json()["accepted"] == 0
    later = take(root, write(tmp_path / "b.csv", [*rows, row("x")]), now=NOW + timedelta(days=4)).as_json()
    assert later["accepted"] == 2


NUMBERS = ["0", "-0", "7", "18446744073709551615", "18446744073709551616", "1" * 64, "1.50", "1e22", "-5"]


@pytest.mark.parametrize("field", ["request_id", "institution_code"])
def test_numbers_as_ids_are_the_text_of_their_digits(root: Path, tmp_path: Path, field: str) -> None:
    """The same ids as numbers in JSON and as text in CSV are the same calls."""
    whole = json.dumps(row("id", id_hash=person(9)) | {field: "@"})
    lines = [whole.replace('"@"', number).replace('"id"', f'"id{number}"') for number in NUMBERS]
    texts = [row(f"id{number}", id_hash=person(9)) | {field: number} for number in NUMBERS]
    take(root, write_bytes(tmp_path / "a.jsonl", "\n".join(lines).encode()))
    result = take(root, write(tmp_path / "a.csv", texts)).as_json()
    assert (result["accepted"], result["duplicates"]) == (0, len(NUMBERS))
    if field == "institution_code":
        assert {one["institution"] for one in events(root)} == set(NUMBERS)


@pytest.mark.parametrize("field", ["request_id", "institution_code", "id_hash"])
@pytest.mark.parametrize("value", ["true", "false", "[1]", '{"a": 1}', "[]"])
def test_an_id_that_is_no_scalar_rejects_its_line(root: Path, tmp_path: Path, field: str, value: str) -> None:
    line = json.dumps(row() | {field: "@"}).replace('"@"', value)
    data = "\n".join([line, json.dumps(row("sound"))]).encode()
    result = take(root, write_bytes(tmp_path / "a.jsonl", data)).as_json()
    assert (result["accepted"], result["rejected"]) == (1, {"malformed_line": 1})
    (kept,) = rejected_rows(root)
    assert (kept["line"], value in kept["raw"]) == ("1", True)


SAME_TEXT = {
    "unsigned": (pa.array([2**64 - 1, 1], pa.uint64()), {"18446744073709551615", "1"}),
    "decimal": (pa.array([Decimal(10) ** 37, Decimal(-1)], pa.decimal128(38)), {"1" + "0" * 37, "-1"}),
    "binary": (pa.array([b"a", b"b"], pa.binary()), {"a", "b"}),
    "fixed": (pa.array([b"ab", b"cd"], pa.binary(2)), {"ab", "cd"}),
    "view": (pa.array(["a", "b"], pa.string_view()), {"a", "b"}),
    "uuid": (
        pa.array([b"\1" * 16, b"\2" * 16], pa.uuid()),
        {str(UUID(bytes=bytes([n]) * 16)) for n in (1, 2)},
    ),
    "dictionary": (pa.array([10**15, 5]).dictionary_encode(), {str(10**15), "5"}),
}


@pytest.mark.parametrize("kind", SAME_TEXT)
def test_parquet_ids_of_types_with_one_text(root: Path, tmp_path: Path, kind: str) -> None:
    column, texts = SAME_TEXT[kind]
    result = take(root, table(tmp_path / "a.parquet", institution_code=column)).as_json()
    assert result["accepted"] == 2
    assert {one["institution"] for one in events(root)} == texts


@pytest.mark.parametrize("field", ["request_id", "institution_code", "id_hash"])
@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.0, 2.0]),
        pa.array([1.5, 2.5], pa.float16()),
        pa.array([Decimal("1.50"), Decimal("2.50")], pa.decimal128(10, 2)),
        pa.array([True, False]),
        pa.array([[1], [2]]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array([1, 2], pa.timestamp("us")),
        pa.array([1.0, 2.0]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_parquet_ids_without_an_exact_text_refuse_the_file(
    root: Path, tmp_path: Path, field: str, column: pa.Array
) -> None:
    (record,) = take(root, table(tmp_path / "a.parquet", **{field: column})).files
    assert record.status == "refused"
    assert record.reason.startswith(f"column {field} has the type ")


@pytest.mark.parametrize("kind", [pa.binary(32), pa.binary(), pa.large_binary()])
def test_raw_hashes_are_the_people_of_their_digits(root: Path, tmp_path: Path, kind: pa.DataType) -> None:
    raw = bytes.fromhex(person(0xABCDEF))
    take(root, table(tmp_path / "a.parquet", id_hash=pa.array([raw, raw], kind)))
    assert {one["person"].hex for one in events(root)} == {person(0xABCDEF)[:32]}


def test_bytes_that_are_no_text_cost_their_rows_only(root: Path, tmp_path: Path) -> None:
    hashes = pa.array([b"\xff" * 16] * 2, pa.binary(16))
    result = take(root, table(tmp_path / "a.parquet", id_hash=hashes)).as_json()
    assert (result["files_refused"], result["rows"], result["rejected"]) == (0, 2, {"malformed_line": 2})


def test_offsets_as_programs_write_them(root: Path, tmp_path: Path) -> None:
    times = pa.array(["2026-10-01 10:00:00+08", "2026-10-01 02:00:00+00"])
    take(root, table(tmp_path / "a.parquet", event_time=times))
    assert {one["happened_at"] for one in events(root)} == {datetime(2026, 10, 1, 2)}


def test_32_digits_are_no_raw_hash(root: Path, tmp_path: Path) -> None:
    digits = pa.array([b"0123456789abcdef" * 2] * 2, pa.binary(32))
    result = take(root, table(tmp_path / "a.parquet", id_hash=digits)).as_json()
    assert (result["accepted"], result["rejected"]) == (0, {"bad_id_hash": 2})


def test_int96_times_are_utc(root: Path, tmp_path: Path) -> None:
    rows = {name: [value, value] for name, value in row().items()} | {"request_id": ["a", "b"]}
    moments = pa.array([datetime(2026, 10, 1, 20), datetime(1600, 1, 1)], pa.timestamp("us"))
    columns = pa.table(rows | {"event_time": moments})
    pq.write_table(columns, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    result = take(root, tmp_path).as_json()
    assert (result["days"], result["rejected"]) == ({"2026-10-02": 1}, {"bad_event_time": 1})
    assert [one["happened_at"] for one in events(root)] == [datetime(2026, 10, 1, 20)]


CUT = {
    "hash.csv": csv_text([row("a"), row("b")])[:-20],
    "result.csv": csv_text([row("a"), row("b", result="success")])[:-4],
    "few.csv": csv_text([row("a")]) + "b,2026-10",
    "quote.csv": f"note,{csv_text([row('a')])}".replace("\na,", "\nx,a,") + '"a note of',
    "quote-lines.csv": f"note,{csv_text([row('a')])}".replace("\na,", "\nx,a,") + '"a note of\ntwo lines\n',
    "crlf.csv": csv_text([row("a"), row("b")]).replace("\n", "\r\n")[:-5],
    "value.jsonl": "".join(json.dumps(row(name)) + "\n" for name in "ab")[:-10],
    "nul.csv": csv_text([row("a")]) + "\0" * 50,
    "long.csv": csv_text([row("a")]) + "x" * 500_000,
}


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("name", CUT)
def test_a_file_cut_off_is_refused_whole(root: Path, tmp_path: Path, name: str, ending: str) -> None:
    cut = write_bytes(tmp_path / f"{name}{ending}", CUT[name].encode())
    result = take(root, cut, write(tmp_path / "sound.csv", [row("z")]))
    assert [file.status for file in result.files] == ["refused", "read"]
    assert result.files[0].reason.startswith("it is truncated: ")
    assert (result.as_json()["rows"], len(events(root))) == (1, 1)
    assert rejected_rows(root) == []


@pytest.mark.parametrize("tail", ["", "\n", "\r", "   ", "\n  \n\t"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_whole_last_line_needs_no_line_end(root: Path, tmp_path: Path, name: str, tail: str) -> None:
    whole = write(tmp_path / name, [row("bad", result="?"), row("a")]).read_text().rstrip("\n") + tail
    result = take(root, write_bytes(tmp_path / name, whole.encode())).as_json()
    assert (result["accepted"], result["rejected"]) == (1, {"bad_result": 1})


@thorough
def test_every_cut_of_a_file_is_refused_or_loses_only_what_is_not_there(tmp_path: Path) -> None:
    """Wherever a copy stops, no row is read that the whole file does not have."""
    rows = [row("r-one"), row("r-two", id_hash=person(2)), row("r-three", id_hash=person(3))]
    whole = write(tmp_path / "whole.csv", rows).read_bytes()
    for end in share(range(len(whole) - 230, len(whole) + 1), 70):
        root = tmp_path / f"store-{end}"
        (record,) = take(root, write_bytes(tmp_path / "cut.csv", whole[:end])).files
        assert (record.status, record.rejected) in (("read", {}), ("refused", {}))
        if record.status == "read":
            assert whole[:end].endswith((b"success", b"\n"))


NAMES = [b"\xc8\xd5\xd6\xbe.csv", b"a\nb.csv", b"\x1b[31m.csv", "日志.csv".encode(), b"\xff" * 200 + b".csv"]
SHOWN = ["\\xc8\\xd5\u05be.csv", "a\\nb.csv", "\\x1b[31m.csv", "日志.csv", "\\xff" * 200 + ".csv"]


@pytest.mark.parametrize(("name", "shown"), zip(NAMES, SHOWN, strict=True))
@pytest.mark.parametrize("ending", [b"", b".gz"])
def test_a_file_of_any_name_is_read_and_shown_escaped(
    root: Path, tmp_path: Path, name: bytes, shown: str, ending: bytes
) -> None:
    path = tmp_path / os.fsdecode(name + ending)
    write(path, [row("odd"), row("rejected", result="?")])
    result = take(root, tmp_path)
    assert result.as_json()["accepted"] == 1
    assert result.files[0].name.endswith("/" + shown + ending.decode())
    (record,) = store.deliveries(store.snapshot(root))
    assert record["name"] == result.files[0].name
    assert rejected_rows(root)[0]["file"].lstrip("'") == shown + ending.decode()


def test_a_parquet_file_of_any_name_is_read(root: Path, tmp_path: Path) -> None:
    table(tmp_path / "a.parquet").rename(tmp_path / os.fsdecode(b"\xc8\xd5.parquet"))
    assert take(root, tmp_path).as_json()["accepted"] == 2


def test_whatever_lies_in_a_folder_stops_no_other_file(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "gone.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "device.csv").symlink_to("/dev/null")
    (tmp_path / "spark.csv").mkdir()
    write(tmp_path / "spark.csv" / "part-0.csv", [row("inside")])
    write(tmp_path / "sound.csv", [row("sound")])
    vanishing = write(tmp_path / "vanishing.csv", [row("gone")])
    real = os.open

    def vanish(path: Any, *args: Any, **kwargs: Any) -> int:
        if Path(path) == vanishing:
            vanishing.unlink()
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", vanish)
    result = take(root, tmp_path)
    monkeypatch.undo()
    refused = {Path(file.name).name: file.reason for file in result.files if file.status == "refused"}
    assert refused == {
        "dangling.csv": "it cannot be opened: No such file or directory",
        "device.csv": "it is not a regular file",
        "loop.csv": "it cannot be opened: Too many levels of symbolic links",
        "pipe.csv": "it is not a regular file",
        "vanishing.csv": "it cannot be opened: No such file or directory",
    }
    assert result.as_json()["accepted"] == 2


def test_a_file_or_folder_that_may_not_be_read_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's refusal is simulated, because root may read everything."""
    for name in ("closed/a.csv", "shut.csv", "sound.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, [row(name)])
    real_open, real_list = os.open, os.scandir

    def deny(real: Any, name: str) -> Any:
        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            if str(path).endswith(name):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *args, **kwargs)

        return call

    monkeypatch.setattr(os, "open", deny(deny(real_open, "closed"), "shut.csv"))
    monkeypatch.setattr(os, "scandir", deny(real_list, "closed"))
    result = take(root, tmp_path)
    monkeypatch.undo()
    refused = {Path(file.name).name: file.reason for file in result.files if file.status == "refused"}
    assert refused == dict.fromkeys(("closed", "shut.csv"), "it cannot be opened: Permission denied")
    assert result.as_json()["accepted"] == 1


def test_trailing_commas_and_cells_too_many(root: Path, tmp_path: Path) -> None:
    header, *lines = csv_text([row("a"), row("b"), row("c")]).splitlines()
    mixed = [header + ",", lines[0] + ",,,", f'"{lines[1].replace(",", chr(34) + "," + chr(34))}",', lines[2]]
    result = take(
        root, write_bytes(tmp_path / "a.csv", "\n".join([*mixed, lines[0] + ",x"]).encode() + b"\n")
    )
    assert (result.as_json()["accepted"], result.as_json()["rejected"]) == (3, {"malformed_line": 1})


ENDINGS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
CALLS = st.lists(
    st.builds(
        row,
        st.sampled_from(
            ["1", "2", "20261026000000000000001", "20261026000000000000002", "0", "x y", "é", "1.0"]
        ),
        st.sampled_from(["2026-10-01 10:00:00", "2026-10-02T10:00:00Z", "2026-10-01 09:00:00", "never"]),
        institution_code=st.sampled_from(["I1", "42", ""]),
        id_hash=st.sampled_from([person(1), person(2).upper(), "no"]),
    ),
    min_size=1,
    max_size=12,
)


@given(CALLS, st.integers(1, 4), st.lists(st.sampled_from(ENDINGS), min_size=4, max_size=4), st.randoms())
@examples(8, 50)
def test_any_split_order_and_format_gives_the_same_events(
    tmp_path_factory: pytest.TempPathFactory,
    calls: list[dict[str, Any]],
    parts: int,
    endings: list[str],
    chance: random.Random,
) -> None:
    folder = tmp_path_factory.mktemp("split")
    take(folder / "one", write(folder / "whole.csv", calls))
    shuffled = calls[:]
    chance.shuffle(shuffled)
    files = [
        _write_as(folder / f"{part}{endings[part]}", shuffled[part::parts], chance)
        for part in range(parts)
        if shuffled[part::parts]
    ]
    for file in files:
        take(folder / "many", file)
    assert events(folder / "many") == events(folder / "one")


def _write_as(path: Path, calls: list[dict[str, Any]], chance: random.Random) -> Path:
    """Return the calls as a file's text; in JSON some ids that are whole numbers are written as numbers."""
    if ".jsonl" not in path.name:
        return write(path, calls)
    lines = [json.dumps(one) for one in calls]
    for place, one in enumerate(calls):
        if one["request_id"].isdigit() and chance.random() < 0.5:
            quoted = f'"request_id": "{one["request_id"]}"'
            lines[place] = lines[place].replace(
                quoted, quoted.replace(f'"{one["request_id"]}"', one["request_id"])
            )
    data = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path
