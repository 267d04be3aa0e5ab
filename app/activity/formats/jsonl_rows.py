"""JSON lines: one object per line."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from app.activity.errors import RefusedFile
from app.activity.formats.blocks import skip_blank_runs
from app.activity.formats.rows import FIELDS, IDS, malformed_rows, parsed_rows, readable

PLAIN = frozenset({str, int, type(None)})
#: what a line without escapes can't have beside its line ending
_CONTROLS = bytes({*range(32)} - {ord("\n")})


def jsonl_batches(blocks: Iterator[bytes]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a JSON lines file. Raises RefusedFile at the end when no line was an object."""
    line_no, objects, broken_lines = 1, 0, 0
    for part, blank, _ends in chain.from_iterable(skip_blank_runs(block, 0) for block in blocks):
        fast = _parse_fast(part)
        if fast is not None:
            rows = len(fast[0])
            yield parsed_rows(pa.array(np.arange(line_no, line_no + rows)), fast)
            line_no += rows + blank
            objects += rows
            continue
        lines = part.split(b"\n")[:-1]
        numbers, records, broken = _parse(lines, line_no)
        columns = _columns(records)
        if not all(_are_plain(columns[name]) for name in IDS):
            texts = [lines[number - line_no] for number in numbers]
            numbers, records, refused = _with_exact_ids(numbers, records, texts)
            broken, columns = sorted(broken + refused), _columns(records)
        line_no += len(lines) + blank
        objects += len(records)
        broken_lines += len(broken)
        if records:
            yield parsed_rows(numbers, [_texts(column) for column in columns.values()])
        if broken:
            yield malformed_rows(broken)
    if broken_lines and not objects:
        raise RefusedFile("none of its lines is a JSON object")


def _parse_fast(part: bytes) -> list[pa.Array] | None:
    """Return the columns of lines that are objects of texts without escapes, their keys in one order.

    Such lines are fields between quotation marks: every fourth one is a value, every fourth one a key, and
    the others are punctuation. None for any other lines.
    """
    lines = part.count(b"\n")
    if not lines or b"\\" in part or len(part.translate(None, _CONTROLS)) != len(part):
        return None
    first = part[: part.index(b"\n")]
    try:
        text = first.decode() if part.isascii() else part.decode()
        record = orjson.loads(first)
    except ValueError:
        return None
    fields = text.partition("\n")[0].split('"')
    keys = fields[1::4]
    if type(record) is not dict or set(FIELDS) - record.keys() or list(record) != keys:
        return None
    if len(fields) != 4 * len(record) + 1:
        return None
    names = [str(at) for at in range(len(fields))]
    marks = dict.fromkeys(names[2:-1:2], pa.bool_())
    texts = {names[0]: "{", names[-1]: "}", **dict(zip(names[1::4], keys, strict=True))}
    wanted = [names[4 * keys.index(name) + 3] for name in FIELDS]
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(part),
            pa_csv.ReadOptions(use_threads=False, block_size=len(part) + 1, column_names=names),
            pa_csv.ParseOptions(delimiter='"', quote_char=False),
            pa_csv.ConvertOptions(
                column_types=marks | dict.fromkeys([*texts, *wanted], pa.string()),
                include_columns=[*marks, *texts, *wanted],
                strings_can_be_null=False,
                null_values=[],
                true_values=_spaced(":"),
                false_values=_spaced(","),
            ),
        )
    except pa.ArrowInvalid:
        return None
    is_regular = (
        table.num_rows == lines
        and all(pc.all(pc.equal(table[name], text)).as_py() for name, text in texts.items())
        and all(pc.all(table[name]).as_py() for name in names[2:-1:4])
        and not any(pc.any(table[name]).as_py() for name in names[4:-1:4])
    )
    return [table[name].combine_chunks() for name in wanted] if is_regular else None


def _spaced(mark: str) -> list[str]:
    return [mark, f"{mark} ", f" {mark}", f" {mark} "]


def _parse(lines: list[bytes], line_no: int) -> tuple[list[int], list[dict[str, Any]], list[tuple[int, str]]]:
    numbers: list[int] = []
    records: list[dict[str, Any]] = []
    broken: list[tuple[int, str]] = []
    for number, line in enumerate(lines, line_no):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            record = None
        if type(record) is dict:
            records.append(record)
            numbers.append(number)
        elif line.strip():
            broken.append((number, readable(line)))
    return numbers, records, broken


def _columns(records: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [record.get(name) for record in records] for name in FIELDS}


def _are_plain(ids: list[Any]) -> bool:
    """Return whether parsed ids are exactly as written, unlike -0, 1.50 and numbers beyond 64 bits."""
    return set(map(type, ids)) <= PLAIN and 0 not in ids


def _with_exact_ids(
    numbers: Sequence[int], records: Sequence[dict[str, Any]], lines: Sequence[bytes]
) -> tuple[list[int], list[dict[str, Any]], list[tuple[int, str]]]:
    """Return the rows with ids as they are written, and the lines in which an id is not a scalar."""
    kept: list[int] = []
    exact: list[dict[str, Any]] = []
    refused: list[tuple[int, str]] = []
    for number, record, line in zip(numbers, records, lines, strict=True):
        fixed = record if _are_plain([record.get(name) for name in IDS]) else _exact(line)
        if fixed is None:
            refused.append((number, readable(line)))
        else:
            kept.append(number)
            exact.append(fixed)
    return kept, exact, refused


def _exact(line: bytes) -> dict[str, Any] | None:
    """Return a line's object with numbers as written, None when an id is a Boolean, object or list."""
    try:
        record: dict[str, Any] = json.loads(line.decode(), parse_int=str, parse_float=str)
    except RecursionError:
        return None
    ids = [record.get(name) for name in IDS]
    return record if all(value is None or type(value) is str for value in ids) else None


def _texts(values: list[Any]) -> list[str]:
    if all(type(value) is str for value in values):
        return values
    return [value if type(value) is str else _text(value) for value in values]


def _text(value: Any) -> str:
    return "" if value is None else orjson.dumps(value).decode()
