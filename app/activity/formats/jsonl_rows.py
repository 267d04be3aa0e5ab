"""JSON lines: one object a line."""

from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from app.activity.errors import UnreadableFile
from app.activity.formats.rows import FIELDS, batch, malformed, readable


def jsonl_batches(blocks: Iterator[bytes]) -> Iterator[pa.RecordBatch]:
    """Rows of a JSON lines file. Raises UnreadableFile at the end when no line was an object."""
    line_no, objects, broken_lines = 1, 0, 0
    for block in blocks:
        lines = block.split(b"\n")[:-1]
        numbers, records, broken = _parse(lines, line_no)
        line_no += len(lines)
        objects += len(records)
        broken_lines += len(broken)
        if records:
            yield batch(numbers, [_texts([record.get(name) for record in records]) for name in FIELDS])
        if broken:
            yield malformed(broken)
    if broken_lines and not objects:
        raise UnreadableFile("no line of it is a JSON object")


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


def _texts(values: list[Any]) -> list[str]:
    if all(type(value) is str for value in values):
        return values
    return [value if type(value) is str else _text(value) for value in values]


def _text(value: Any) -> str:
    return "" if value is None else orjson.dumps(value).decode()
