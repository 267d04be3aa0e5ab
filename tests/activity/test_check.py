"""The checks of rows compared with their definition in plain Python, whichever way a row takes."""

import csv
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.activity import checks, engine, event_types
from app.activity.formats import csv_rows
from app.activity.formats.parquet_rows import engine_columns
from app.activity.formats.rows import FIELDS, WHITE_SPACE
from app.activity.ingest import ingest
from app.activity.settings import EngineSettings
from tests.activity.support import NOW, ZONE, events, person, row, take, write
from tests.thorough import examples

TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?"
    r"(?:(Z)|([+-])([01]\d|2[0-3]):?([0-5]\d)?)?",
    re.ASCII,
)
HASH = re.compile("[0-9A-Fa-f]{64}")
#: a sound value of each field, and values that are nearly so
VALUES: dict[str, list[str | None]] = {
    "request_id": [
        "r1",
        "r2",
        "",
        None,
        "\u3000",
        "r\0",
        "é",
        "１２３",
        "x" * 5000,
        "9" * 40,
        "110101199003077832",
    ],
    "event_time": [
        "2026-10-01 10:00:00",
        "2026-10-01T10:00:00",
        "2026-10-01 23:59:59.999999",
        "2026-10-01 10:00:00.123456789",
        "2026-10-01 10:00:00.1Z",
        "2026-10-01T10:00:00+0530",
        "2026-10-01 10:00:00-08",
        "2026-10-01 10:00:00+08:00",
        "2026-10-01 24:00:00",
        "2026-10-01 23:60:00",
        "2026-10-01 10:00:60",
        "2026-02-29 10:00:00",
        "2024-02-29 10:00:00",
        "2026-10-1 10:00:000",
        "2026-1-01 10:00:00 ",
        "2026/10/01 10:00:00",
        "2026-10-01 10:00",
        "２026-10-01 10:00:00",
        "2026-10-01 10:00:0٣",
        "2000-01-01 00:00:00",
        "1999-12-31 23:59:59",
        "1999-12-31 16:00:00Z",
        "2026-11-02 12:00:00",
        "2026-11-02 12:00:01",
        "0000-10-01 10:00:00",
        "-2026-10-1 10:00:00",
        "12026-10-01 10:00:0",
        "9999-12-31 23:59:59",
        "2026-10-01 10:00:00\0",
        "20261001T10:00:0000",
        "infinity",
        "epoch",
        "now",
        "",
        None,
    ],
    "event_type": [*event_types.EVENT_TYPES, "FACE_VERIFY", "face_verify\0", "selfie", "", None],
    "institution_code": ["I1", "机构", "", None, "\u2003", "I\0", "a b", "0", "a,b", 'a"b', '"'],
    "id_hash": [
        person(1),
        person(0xABCDEF).upper(),
        person(2)[:-1],
        person(2) + "0",
        person(2)[:31] + "g" + person(2)[32:],
        person(2)[:-1] + "-",
        person(2)[:62] + "é",
        "0x" + person(2)[2:],
        person(2)[:31] + "\0" + person(2)[32:],
        person(2)[:60] + "  \t ",
        " " * 64,
        "{" + person(2)[2:] + "}",
        "",
        None,
    ],
    "result": ["success", "fail", "Success", "succes", "fail\0", "", None],
}
AROUND = st.sampled_from(["", "", "", " ", "\t", "\u3000", "\x1c", "\x85", "\u200b", "\0"])


def field(name: str) -> st.SearchStrategy[str | None]:
    """Return values of a field: mostly sound ones, with things around them now and then."""
    sound, odd = VALUES[name][0], st.sampled_from(VALUES[name])
    padded = st.tuples(AROUND, odd, AROUND).map(lambda parts: "".join(part or "" for part in parts))
    return st.one_of(st.just(sound), st.just(sound), odd, padded)


ROWS = st.lists(st.fixed_dictionaries({name: field(name) for name in FIELDS}), min_size=1, max_size=30)


def instant(text: str) -> datetime | None:
    """Return the instant of an event time."""
    found = TIME.fullmatch(text)
    if not found:
        return None
    *whole, fraction, zulu, sign, hours, minutes = found.groups()
    try:
        stated = datetime.fromisoformat("{}-{}-{}T{}:{}:{}".format(*whole))
        stated = stated.replace(microsecond=int((fraction or "").ljust(6, "0")[:6]))
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
        zone = timezone(offset) if zulu or sign else ZoneInfo(ZONE)
        return stated.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def fault(one: dict[str, str], moment: datetime | None) -> str | None:
    """Return the reason why a row is rejected, as the contract orders them."""
    local = moment and moment.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
    latest = (NOW + timedelta(days=1)).astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
    tests = {
        "malformed_line": any("\0" in text for text in one.values()),
        "missing_request_id": not one["request_id"],
        "bad_event_time": local is None or not datetime(2000, 1, 1) <= local <= latest,
        "unknown_event_type": one["event_type"] not in event_types.REGISTRY,
        "missing_institution": not one["institution_code"],
        "bad_id_hash": not HASH.fullmatch(one["id_hash"]),
        "bad_result": one["result"] not in ("success", "fail"),
    }
    return next((reason for reason, wrong in tests.items() if wrong), None)


def expected(
    rows: Sequence[dict[str, str | None]], first: int = 1
) -> tuple[list[tuple[int, str]], dict[str, dict[str, Any]]]:
    """Return the rejected lines, counted from `first`, with reasons, and the event of each request id."""
    rejected: list[tuple[int, str]] = []
    claims: dict[str, list[tuple[Any, ...]]] = {}
    for line, delivered in enumerate(rows, first):
        one = {name: (text or "").strip() for name, text in delivered.items()}
        moment = instant(one["event_time"])
        reason = fault(one, moment)
        if reason or moment is None:
            rejected.append((line, str(reason)))
            continue
        who, kind = one["id_hash"][:32].lower(), event_types.REGISTRY[one["event_type"]].number  # type: ignore[index]
        claim = (moment, who, one["institution_code"], kind, one["result"] == "success")
        claims.setdefault(sha256(one["request_id"].encode()).hexdigest()[:32], []).append(claim)
    return rejected, {rid: shown(*min(found)) for rid, found in claims.items()}


def shown(moment: datetime, who: str, institution: str, kind: int, ok: bool) -> dict[str, Any]:
    """Return an event as the store has it."""
    local = moment.astimezone(ZoneInfo(ZONE))
    return {
        "person": who,
        "institution": institution,
        "type": kind,
        "happened_at": moment.replace(tzinfo=None),
        "day": local.date(),
        "hour": local.hour,
        "second": local.minute * 60 + local.second,
        "ok": ok,
    }


def found(root: Path) -> tuple[list[tuple[int, str]], dict[str, dict[str, Any]]]:
    rejected = [
        (int(one["line"]), one["reason"])
        for file in (root / "rejected").glob("*.csv")
        for one in csv.DictReader(file.open(encoding="utf-8-sig", newline=""))
    ]
    stored = {one["rid"].hex: {**one, "person": one["person"].hex} for one in events(root)}
    for one in stored.values():
        del one["rid"]
    return rejected, stored


@given(ROWS, st.sampled_from(["text", "binary", "jsonl", "csv"]))
@examples(25, 700)
def test_checks_agree_with_their_definition(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str | None]], way: str
) -> None:
    """Text in Parquet is read by the engine itself, other types and formats by the readers."""
    folder = tmp_path_factory.mktemp("check")
    if way in ("jsonl", "csv"):
        file = write(folder / f"log.{way}", rows)
    else:
        kind = pa.string() if way == "text" else pa.binary()
        columns = {name: pa.array([one[name] for one in rows], pa.string()).cast(kind) for name in FIELDS}
        file = folder / "log.parquet"
        pq.write_table(pa.table(columns), file, row_group_size=7)
        assert (engine_columns(file) is not None) == (way == "text")
    take(folder / "store", file)
    assert found(folder / "store") == expected(rows, 2 if way == "csv" else 1)


@given(ROWS, st.lists(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), min_size=30, max_size=30))
@examples(25, 700)
def test_rows_with_quotes_are_those_without(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str | None]], quoting: list[Any]
) -> None:
    """However many of its lines are quoted, a file's rows are the same."""
    folder = tmp_path_factory.mktemp("quotes")
    with (folder / "log.csv").open("w", newline="") as stream:
        csv.writer(stream).writerow(FIELDS)
        for one, quotes in zip(rows, quoting, strict=False):
            csv.writer(stream, quoting=quotes).writerow([one[name] for name in FIELDS])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rows, "_BYTES_PER_QUOTE", 1)
        take(folder / "store", folder / "log.csv")
    assert found(folder / "store") == expected(rows, 2)


TIMES = [
    *(datetime(2026, 10, 1, 23, 59, 59, part) for part in (0, 1, 120000, 123456, 999999)),
    *(datetime(1969, 12, 31, 12, 0, 0, 500000), datetime(1999, 12, 31, 15, 59, 59), datetime(2000, 1, 1)),
    *(datetime(2026, 11, 2, 12), datetime(2026, 11, 2, 12, 0, 1), datetime(1, 1, 1), datetime(9999, 12, 31)),
    None,
]


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "int96"])
def test_timestamps_are_the_same_to_engine_and_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str, zone: str | None
) -> None:
    least = {"s": 1_000_000, "ms": 1000}.get(unit, 1)
    kept = [one for one in TIMES if not (one and unit in ("ns", "int96") and one.year in (1, 9999))]
    times = [one and one.replace(microsecond=one.microsecond // least * least) for one in kept]
    kind = pa.timestamp("us" if unit == "int96" else unit, zone)
    columns = {name: pa.array([str(value)] * len(times)) for name, value in row().items()}
    columns |= {
        "request_id": pa.array([f"r{n}" for n in range(len(times))]),
        "event_time": pa.array(times, kind),
    }
    file = tmp_path / "log.parquet"
    pq.write_table(pa.table(columns), file, use_deprecated_int96_timestamps=unit == "int96")
    assert (engine_columns(file) is None) == (unit == "ns")
    take(tmp_path / "engine", file)
    monkeypatch.setattr(checks, "engine_columns", lambda path: None)
    take(tmp_path / "reader", file)
    assert found(tmp_path / "engine") == found(tmp_path / "reader")
    quarantined = [
        next((tmp_path / root / "rejected").iterdir()).read_text() for root in ("engine", "reader")
    ]
    assert quarantined[0] == quarantined[1]


def test_timestamps_beyond_the_calendar_are_for_the_reader(tmp_path: Path) -> None:
    columns = {name: [value] for name, value in row().items()}
    columns["event_time"] = pa.array([400_000_000_000_000_000], pa.timestamp("us"))
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    assert take(tmp_path / "store", tmp_path / "log.parquet").as_json()["rejected"] == {"bad_event_time": 1}


def test_white_space_is_the_same_for_everybody() -> None:
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    left = pc.utf8_trim_whitespace(pa.array(every)).to_pylist()
    assert "".join(one for one, rest in zip(every, left, strict=True) if not rest) == WHITE_SPACE
    assert "".join(one for one in every if not one.strip()) == WHITE_SPACE


def test_only_64_hexadecimal_digits_are_a_hash(tmp_path: Path) -> None:
    """Every byte that text may have, at every place."""
    with engine.connect(EngineSettings(), tmp_path) as connection:
        checks.prepare(connection, NOW)
        given = [
            person(5)[:place] + chr(code) + person(5)[place + 1 :]
            for code in range(256)
            for place in range(64)
        ]
        asked = connection.execute("SELECT hash, person_of(hash) FROM (SELECT unnest($1) AS hash)", [given])
        for text, who in asked.fetchall():
            assert (who and who.hex) == (text[:32].lower() if HASH.fullmatch(text) else None), text


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("America/New_York", "2026-03-08 02:30:00", datetime(2026, 3, 8, 7, 30)),
        ("America/New_York", "2026-03-08 03:30:00", datetime(2026, 3, 8, 7, 30)),
        ("America/New_York", "2026-07-01 12:00:00", datetime(2026, 7, 1, 16)),
        ("America/New_York", "2026-10-20 12:00:00", datetime(2026, 10, 20, 16)),
        ("Asia/Pyongyang", "2016-01-01 12:00:00", datetime(2016, 1, 1, 3, 30)),
        ("Asia/Pyongyang", "2020-01-01 12:00:00", datetime(2020, 1, 1, 3)),
        ("Asia/Kathmandu", "2020-01-01 12:00:00", datetime(2020, 1, 1, 6, 15)),
        ("UTC", "2020-01-01 12:00:00", datetime(2020, 1, 1, 12)),
    ],
)
def test_times_in_zones_with_and_without_changes(
    root: Path, tmp_path: Path, zone: str, text: str, utc: datetime
) -> None:
    file = write(tmp_path / "log.parquet", [row(event_time=text)])
    ingest(root, [file], timezone=zone, now=NOW)
    assert [one["happened_at"] for one in events(root)] == [utc]


def test_a_name_with_a_pattern_is_read_as_it_is(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "a1.parquet", [row("other")])
    assert take(root, write(tmp_path / "a[1].parquet", [row()])).as_json()["accepted"] == 1
    assert take(root, write(tmp_path / "a*.parquet", [row("x")])).as_json()["accepted"] == 1


def test_columns_that_the_engine_would_confuse_are_read_by_name(root: Path, tmp_path: Path) -> None:
    columns = {name: [value] for name, value in row().items()}
    odd = {"RESULT": ["?"], "file_row_number": [7], "nested": [{"result": "?"}], **columns, "Id_Hash": ["?"]}
    pq.write_table(pa.table(odd), tmp_path / "a.parquet")
    assert take(root, tmp_path).as_json()["accepted"] == 1
