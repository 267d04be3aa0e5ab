"""Rows, malformed lines and unreadable files in each format."""

import gzip
import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.activity.errors import RefusedFile
from app.activity.formats import csv_rows, files, jsonl_rows
from app.activity.formats.blocks import MAX_LINE_BYTES
from app.activity.formats.rows import FIELDS
from tests.activity.support import HEADER, csv_text, events, person, row, take, write, write_bytes

GOOD = f"r1,2026-10-01 10:00:00,face_verify,I1,{person(1)},success"
ALL_ENDINGS = [".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet"]


def ingest_csv(root: Path, tmp_path: Path, data: str | bytes) -> dict[str, object]:
    data = data.encode() if isinstance(data, str) else data
    return take(root, write_bytes(tmp_path / "log.csv", data)).as_json()


@pytest.mark.parametrize("ending", [*ALL_ENDINGS, ".CSV", ".Parquet"])
def test_a_sound_row_becomes_an_event(root: Path, tmp_path: Path, ending: str) -> None:
    # Parquet and gzip writers of the helpers go by the lower-case name.
    file = write(tmp_path / f"log{ending.lower()}", [row(), row("r2", result="fail")])
    file = file.rename(tmp_path / f"log{ending}")
    result = take(root, tmp_path).as_json()
    assert (result["files"], result["rows"], result["accepted"], result["rejected"]) == (1, 2, 2, {})
    assert {(one["institution"], one["type"], one["hour"], one["ok"]) for one in events(root)} == {
        ("I1", 1, 10, True),
        ("I1", 1, 10, False),
    }


REASONS = [
    ("missing_request_id", {"request_id": "  "}),
    ("bad_event_time", {"event_time": ""}),
    ("bad_event_time", {"event_time": "2026-13-45 99:00:00"}),
    ("bad_event_time", {"event_time": "2026-02-30 10:00:00"}),
    ("bad_event_time", {"event_time": "2026-10-01"}),
    ("bad_event_time", {"event_time": "2026-10-01 24:00:00"}),
    ("bad_event_time", {"event_time": "2026-10-01 10:00:60"}),
    ("bad_event_time", {"event_time": "2026-10-01 10:00:00+99:00"}),
    ("bad_event_time", {"event_time": "2026-10-01 10:00:00 extra"}),
    ("bad_event_time", {"event_time": "0000-10-01 10:00:00"}),
    ("bad_event_time", {"event_time": "9999-12-31T23:59:59-05:00"}),
    ("unknown_event_type", {"event_type": "selfie"}),
    ("missing_institution", {"institution_code": "\u3000"}),
    ("bad_id_hash", {"id_hash": "zz11"}),
    ("bad_id_hash", {"id_hash": person(1) + "0"}),
    ("bad_result", {"result": "maybe"}),
    # The first reason in the contract's order is the one that is given.
    ("missing_request_id", {"request_id": "", "event_time": "", "result": ""}),
    ("unknown_event_type", {"event_type": "", "institution_code": "", "id_hash": ""}),
]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_each_reason_in_each_format(root: Path, tmp_path: Path, ending: str) -> None:
    rows = [{**row(f"bad{number}"), **bad} for number, (_, bad) in enumerate(REASONS)]
    result = take(root, write(tmp_path / f"log{ending}", [row("good"), *rows])).as_json()
    expected: dict[str, int] = {}
    for reason, _ in REASONS:
        expected[reason] = expected.get(reason, 0) + 1
    assert result["rejected"] == dict(sorted(expected.items()))
    assert result["rows"] == len(rows) + 1
    assert result["accepted"] == 1


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("field", ["request_id", "event_time", "event_type", "institution_code", "id_hash"])
def test_null_and_blank_are_the_same(root: Path, tmp_path: Path, ending: str, field: str) -> None:
    rows = [{**row("a"), field: None}, {**row("b"), field: " "}, row("c")]
    result = take(root, write(tmp_path / f"log{ending}", rows)).as_json()
    assert (result["accepted"], sum(result["rejected"].values())) == (1, 2)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-10-01 10:00:00", datetime(2026, 10, 1, 2)),
        ("2026-10-01T10:00:00.5", datetime(2026, 10, 1, 2, 0, 0, 500000)),
        ("2026-10-01T10:00:00Z", datetime(2026, 10, 1, 10)),
        ("2026-10-01 10:00:00+0800", datetime(2026, 10, 1, 2)),
        ("2026-10-01T10:00:00.123456789-05:30", datetime(2026, 10, 1, 15, 30, 0, 123456)),
        ("  2026-10-01 10:00:00\t", datetime(2026, 10, 1, 2)),
    ],
)
def test_event_times(root: Path, tmp_path: Path, text: str, utc: datetime) -> None:
    take(root, write(tmp_path / "log.jsonl", [row(event_time=text)]))
    assert [one["happened_at"] for one in events(root)] == [utc]


def test_the_date_and_hour_are_local(root: Path, tmp_path: Path) -> None:
    take(root, write(tmp_path / "log.jsonl", [row(event_time="2026-10-01T16:59:58Z")]))
    (one,) = events(root)
    assert (one["day"], one["hour"], one["second"]) == (date(2026, 10, 2), 0, 59 * 60 + 58)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_line_endings_and_byte_order_mark(
    root: Path, tmp_path: Path, ending: str, bom: bytes, last: str
) -> None:
    text = f"{HEADER}\n{GOOD}\n\n   \nbroken\n{GOOD.replace('r1', 'r2')}{last}".replace("\n", ending)
    result = take(root, write_bytes(tmp_path / "log.csv", bom + text.encode()))
    assert result.as_json()["accepted"] == 2
    assert result.as_json()["rejected"] == {"malformed_line": 1}
    (record,) = result.files
    assert (root / str(record.rejects_file)).read_text("utf-8-sig").splitlines()[1].split(",")[1] == "5"


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_a_line_end_split_between_two_reads(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(files, "READ_BYTES", 7)
    lines = [HEADER, *(GOOD.replace("r1", f"r{number}") for number in range(20))]
    assert ingest_csv(root, tmp_path, ending.join(lines)) | {"days": 0} == {
        "files": 1,
        "files_skipped": 0,
        "files_refused": 0,
        "rows": 20,
        "accepted": 20,
        "duplicates": 0,
        "rejected": {},
        "days": 0,
    }


def test_columns_by_name_in_any_order_and_unknown_ones_ignored(root: Path, tmp_path: Path) -> None:
    text = "result, id_hash ,more,institution_code,event_type,event_time,request_id\n"
    text += f"success,{person(7).upper()},?,I9,id_ocr,2026-10-01 10:00:00,r1\n"
    assert ingest_csv(root, tmp_path, text)["accepted"] == 1
    assert events(root)[0]["person"].hex == person(7)[:32]


def test_line_numbers_count_blank_lines(root: Path, tmp_path: Path) -> None:
    bad = GOOD.replace("success", "?")
    (record,) = take(root, write_bytes(tmp_path / "log.csv", f"{HEADER}\n\n{GOOD}\n\n{bad}\n".encode())).files
    assert (root / str(record.rejects_file)).read_text("utf-8-sig").splitlines()[1].split(",")[1] == "5"


@pytest.mark.parametrize("ending", [".csv.gz", ".jsonl.gz"])
@pytest.mark.parametrize("blank", ["\n", " \r\n"])
def test_millions_of_blank_lines_are_left_out_at_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, blank: str
) -> None:
    """Only blank lines next to rows are parsed one by one; the lines after them keep their numbers."""
    looked_at: list[int] = []
    parser, name = (csv_rows, "_decode") if ending == ".csv.gz" else (jsonl_rows, "_parse")
    parse: Callable[..., Any] = getattr(parser, name)

    def counted(*given: Any) -> Any:
        looked_at.append(len(given[1]) if name == "_decode" else len(given[0]))
        return parse(*given)

    monkeypatch.setattr(parser, name, counted)
    text = write(tmp_path / f"sound{ending.removesuffix('.gz')}", [row("r1"), row("r2")]).read_text()
    log = write_bytes(tmp_path / f"log{ending}", f"{text}{blank * 3_000_000}?\n{blank * 500}".encode())
    (record,) = take(root, log).files
    assert (record.accepted, record.rejected) == (2, {"malformed_line": 1})
    line = text.count("\n") + 3_000_001
    assert f",{line}," in (root / str(record.rejects_file)).read_text("utf-8-sig").splitlines()[1]
    assert sum(looked_at) < 5000


@pytest.mark.parametrize("note", ["x", '"x, ""y"""'])
def test_a_quote_that_stays_open_costs_its_own_line_only(root: Path, tmp_path: Path, note: str) -> None:
    header = f"note,{HEADER}"
    sound = [f"{note},{GOOD}".replace("r1", f"r{number}") for number in range(10)]
    broken = f'"open,{GOOD}'.replace("r1", "bad")
    lines = [header, *sound[:3], broken, *sound[3:6], broken, *sound[6:9], broken, sound[9]]
    result = ingest_csv(root, tmp_path, "\n".join(lines) + "\n")
    assert (result["accepted"], result["rejected"]) == (10, {"malformed_line": 3})


@pytest.mark.parametrize("read_bytes", [11, 1 << 20])
def test_a_line_break_inside_quotes_is_part_of_the_field(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_bytes: int
) -> None:
    monkeypatch.setattr(files, "READ_BYTES", read_bytes)
    text = f'note,{HEADER}\n"one\n\ntwo\nthree",{GOOD}\nx,{GOOD.replace("r1", "r2")}\nshort\n'
    result = take(root, write_bytes(tmp_path / "log.csv", text.encode()))
    assert (result.as_json()["accepted"], result.as_json()["rejected"]) == (2, {"malformed_line": 1})
    rejects = (root / str(result.files[0].rejects_file)).read_text("utf-8-sig")
    assert rejects.splitlines()[1].split(",")[1:3] == ["7", "malformed_line"]


def test_a_quote_open_for_too_long_is_a_broken_line(root: Path, tmp_path: Path) -> None:
    lines = [f"note,{HEADER}", '"open', *["x"] * csv_rows.MAX_JOINED_LINES, f'",{GOOD}']
    result = ingest_csv(root, tmp_path, "\n".join([*lines, f"x,{GOOD}"]))
    assert result["rejected"] == {"malformed_line": csv_rows.MAX_JOINED_LINES + 2}


@pytest.mark.parametrize(
    "line",
    [
        b"too,few",
        GOOD.encode() + b",too many",
        GOOD.encode().replace(b"I1", b"I\xff"),
        GOOD.encode().replace(b"I1", b"I\0"),
        GOOD.encode().replace(b"I1", "机构".encode("gb18030")),
        b"x" * (MAX_LINE_BYTES * 3),
    ],
)
@pytest.mark.parametrize("quoted", [False, True])
def test_malformed_csv_lines(root: Path, tmp_path: Path, line: bytes, quoted: bool) -> None:
    """The same with and without a quote in the file, which decides the parser."""
    sound = GOOD.replace("I1", '"I1"') if quoted else GOOD
    data = b"\n".join([HEADER.encode(), sound.encode(), line, sound.replace("r1", "r2").encode()])
    result = ingest_csv(root, tmp_path, data)
    assert (result["accepted"], result["rejected"], result["rows"]) == (2, {"malformed_line": 1}, 3)


def test_a_very_long_line_at_the_end_or_across_reads(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "READ_BYTES", MAX_LINE_BYTES // 2 + 1)
    long = "x" * (MAX_LINE_BYTES * 5)
    result = ingest_csv(root, tmp_path, f"{HEADER}\n{long}\n{GOOD}\n{long}\n")
    assert (result["accepted"], result["rejected"]) == (1, {"malformed_line": 2})


def test_malformed_json_lines(root: Path, tmp_path: Path) -> None:
    good = '{"request_id": 7, "event_time": "2026-10-01 10:00:00", "event_type": "id_ocr", "extra": [1], '
    good += f'"institution_code": 42, "id_hash": "{person(1)}", "result": "success"}}'
    lines = [good, "[1]", '"text"', '{"request_id": "cut-off", "event_ti', "null", "", " ", "NaN"]
    data = (
        "\n".join(lines).encode() + b'\n{"request_id": "\xff"}\n' + good.replace("7", '"a\\u0000"').encode()
    )
    data += b"\n"
    result = take(root, write_bytes(tmp_path / "log.jsonl", data)).as_json()
    assert (result["accepted"], result["rejected"], result["rows"]) == (1, {"malformed_line": 7}, 8)
    assert events(root)[0]["institution"] == "42"


USUAL = ['"a"', '""', '":"', '","', '"{"', '"}"', '" a "', '"中"']
UNUSUAL = [
    *("null", "1", "1.50", "-0", "1e999", "01", "true", "{}", "[]", "NaN", "Infinity", "nul"),
    *(r'"\u00e9"', r'"\ud83d\ude00"', r'"\ud800"', r'"\udc00"', r'"x\u0000y"', r'"\n"', r'"\x"'),
    *('"a', '"q""r"', '"a\tb"', '"\x7f"'),
]
MARKS = [" ", ",", ":", "{", "}", '"', "[]", "x", "null", "\n"]


def json_line(pairs: Sequence[tuple[str, str]], comma: str, colon: str) -> str:
    return "{" + comma.join(f'"{key}"{colon}{value}' for key, value in pairs) + "}"


def spoilt(chance: random.Random, pairs: list[tuple[str, str]], comma: str, colon: str) -> str:
    """Return a line that is unusual in one way."""
    at = chance.randrange(len(pairs))
    way = chance.choice(["value", "value", "key", "order", "mark", "text"])
    if way == "value":
        pairs[at] = pairs[at][0], chance.choice(UNUSUAL)
    elif way == "key":
        pairs[at] = chance.choice(["result", "other", r"r\u0065sult"]), pairs[at][1]
    elif way == "order":
        chance.shuffle(pairs)
    line = json_line(pairs, comma, colon)
    if way == "mark":
        mark, other = chance.choice([(comma, colon), (colon, comma), ("{", ","), ("}", ","), (comma, " , ")])
        places = [place for place in range(len(line)) if line.startswith(mark, place)]
        place = chance.choice(places)
        line = line[:place] + other + line[place + len(mark) :]
    elif way == "text":
        place = chance.randrange(len(line))
        line = line[:place] + chance.choice(["", *MARKS]) + line[place + chance.randrange(2) :]
    return line


@pytest.mark.parametrize("seed", range(5))
def test_json_lines_are_the_same_however_they_are_parsed(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    regular = 0
    for _ in range(500):
        keys = [*chance.sample(FIELDS, len(FIELDS)), *chance.sample(["other", ""], chance.randrange(2))]
        comma, colon = chance.choice([(",", ":"), (", ", ": ")])
        rows = [[(key, chance.choice(USUAL)) for key in keys] for _ in range(chance.randrange(1, 4))]
        lines = [json_line(pairs, comma, colon) for pairs in rows]
        if chance.random() < 0.7:
            at = chance.randrange(len(lines))
            lines[at] = spoilt(chance, rows[at], comma, colon)
        block = "".join(f"{line}\n" for line in lines).encode()
        if chance.random() < 0.02:
            block = block.replace(b"a", b"\xff", 1)
        regular += jsonl_rows._parse_fast(block) is not None
        parsed = []
        for fast in (True, False):
            with monkeypatch.context() as patch:
                if not fast:
                    patch.setattr(jsonl_rows, "_parse_fast", lambda part: None)
                try:
                    batches = list(jsonl_rows.jsonl_batches(iter([block])))
                    parsed.append([one for batch in batches for one in batch.to_pylist()])
                except RefusedFile as error:
                    parsed.append([{"refused": str(error)}])
        assert parsed[0] == parsed[1], block
    assert regular > 100


def test_parquet_columns_of_other_types(root: Path, tmp_path: Path) -> None:
    moment = datetime(2026, 10, 1, 2, 3, 4, 567000)
    for name, kind, value in [
        ("naive", pa.timestamp("us"), moment),
        ("nanoseconds", pa.timestamp("ns"), moment),
        ("aware", pa.timestamp("ms", "America/New_York"), moment.replace(tzinfo=UTC)),
    ]:
        table = pa.table(
            {
                "request_id": pa.array([1, 2], pa.int64()) if name == "naive" else [name, None],
                "event_time": pa.array([value, value], kind),
                "event_type": pa.array(["data_call", "data_call"]).dictionary_encode(),
                "institution_code": pa.array(["I1", "I1"], pa.large_string()),
                "id_hash": pa.array([person(1).encode()] * 2, pa.binary()),
                "result": ["success", "success"],
            }
        )
        pq.write_table(table, tmp_path / f"{name}.parquet")
    result = take(root, tmp_path).as_json()
    assert (result["accepted"], result["rejected"]) == (4, {"missing_request_id": 2})
    local, utc = datetime(2026, 9, 30, 18, 3, 4, 567000), moment
    assert sorted(one["happened_at"] for one in events(root)) == [local, local, local, utc]


def test_parquet_bytes_that_are_no_text(root: Path, tmp_path: Path) -> None:
    rows = [row("a"), {**row("b"), "institution_code": b"\xff"}, row("c")]
    fields = {name: [one[name] for one in rows] for name in row()}
    fields["institution_code"] = pa.array([b"I1", b"\xff", b"I1"], pa.binary())
    pq.write_table(pa.table(fields), tmp_path / "log.parquet")
    result = take(root, tmp_path).as_json()
    assert (result["accepted"], result["rejected"]) == (2, {"malformed_line": 1})


UNREADABLE = {
    "truncated.csv.gz": gzip.compress(csv_text([row("t")]).encode())[:-9],
    "empty.csv.gz": b"",
    "plain.csv.gz": csv_text([row("p")]).encode(),
    "trailing.csv.gz": gzip.compress(csv_text([row("g")]).encode()) + b"garbage",
    "corrupt.jsonl.gz": gzip.compress(b'{"request_id": "x"}\n' * 50)[:30] + b"\0" * 30,
    "empty.csv": b"",
    "blank.csv": b"\n\n",
    "sheet.csv": b"PK\x03\x04\x14\0\x06\0" + bytes(range(256)) * 20,
    "utf16.csv": csv_text([row("u")]).encode("utf-16"),
    "semicolon.csv": csv_text([row("s")]).replace(",", ";").encode(),
    "json.csv": b'{"request_id": "x"}\n',
    "lacking.csv": csv_text([row("l")]).replace("id_hash", "hash").encode(),
    "twice.csv": csv_text([row("w")]).replace("result\n", "request_id,result\n").encode(),
    "table.jsonl": csv_text([row("j")]).encode(),
    "array.jsonl": b"[\n1,\n2\n]\n",
    "text.parquet": b"not parquet",
    "short.parquet": b"PAR1",
    "log.txt": csv_text([row("x")]).encode(),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_files_are_refused_whole(root: Path, tmp_path: Path, name: str) -> None:
    good = write(tmp_path / "zz-good.csv", [row("good")])
    bad = tmp_path / name
    bad.write_bytes(UNREADABLE[name])
    result = take(root, bad, good)
    assert [file.status for file in result.files] == ["refused", "read"]
    assert result.files[0].reason
    json = result.as_json()
    assert (json["files"], json["files_refused"], json["rows"], json["accepted"]) == (2, 1, 1, 1)


def test_a_parquet_file_that_is_damaged_or_lacks_a_column(root: Path, tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.parquet", [row(f"r{number}") for number in range(2000)]).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "holed.parquet").write_bytes(whole[:100] + b"\xff" * 400 + whole[500:])
    pq.write_table(pa.table({"request_id": ["r"], "result": ["fail"]}), tmp_path / "few.parquet")
    result = take(root, tmp_path)
    assert {Path(file.name).name: file.status for file in result.files} == {
        "cut.parquet": "refused",
        "few.parquet": "refused",
        "holed.parquet": "refused",
        "whole.parquet": "read",
    }
    assert "event_time" in result.files[1].reason
    assert len(events(root)) == 2000


def test_the_reason_names_the_missing_columns(root: Path, tmp_path: Path) -> None:
    result = take(root, write_bytes(tmp_path / "log.csv", b"request_id,event_time,result\n"))
    assert result.files[0].reason.endswith("event_type, institution_code, id_hash")


def test_files_that_hold_nothing_are_sound(root: Path, tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.csv", HEADER.encode())
    write_bytes(tmp_path / "b.jsonl.gz", b"")
    write_bytes(tmp_path / "c.jsonl", b"\n")
    result = take(root, tmp_path).as_json()
    assert (result["files"], result["files_refused"], result["rows"]) == (3, 0, 0)


def test_a_file_refused_under_one_name_is_read_under_the_right_one(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "b.csv", [row()]).rename(tmp_path / "a.jsonl")
    write(tmp_path / "b.csv", [row()])
    result = take(root, tmp_path).as_json()
    assert (result["files_refused"], result["files_skipped"], result["accepted"]) == (1, 0, 1)
