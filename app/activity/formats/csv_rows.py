"""CSV files: a row is a line, and only a line with an open quote is joined with the lines after it."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from app.activity.errors import RefusedFile
from app.activity.formats.blocks import skip_blank_runs
from app.activity.formats.rows import FIELDS, malformed_rows, parsed_rows, readable

# A quoted field may contain line breaks. A quote that stays open for longer than this is a malformed line.
MAX_JOINED_LINES = 100
MAX_JOINED_CHARACTERS = 64 << 10
#: with more quotes than this, Python's csv module parses a block faster than line by line
_BYTES_PER_QUOTE = 500


def csv_batches(blocks: Iterator[bytes]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a CSV file with a header. Raises RefusedFile when the header lacks a column."""
    header, line_no, rest = _read_header(blocks)
    table = _Table(len(header), [header.index(name) for name in FIELDS], line_no)
    for block in _with_last(rest, blocks):
        yield from table.read(*block)


@dataclass
class _Parsed:
    """Rows of one block: fields as delivered, the numbers of their first lines, and malformed lines."""

    rows: list[list[str]] = field(default_factory=list)
    line_numbers: list[int] = field(default_factory=list)
    broken: list[tuple[int, str]] = field(default_factory=list)


class _Table:
    """Parses successive blocks of lines, keeping an open quoted record for the next block."""

    def __init__(self, width: int, positions: list[int], line_no: int) -> None:
        self.width = width
        self.positions = positions
        self.line_no = line_no
        self.waiting = b""

    def read(self, block: bytes, last: bool) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the next block of lines; `last` tells that none follows."""
        block, self.waiting = self.waiting + block, b""
        parsed = self._parse_fast(block)
        if parsed is not None:
            yield from parsed
            return
        for part, blank, ends in skip_blank_runs(block, MAX_JOINED_LINES):
            yield from self._parse_carefully(part, last and ends)
            self.line_no += blank

    def _parse_fast(self, block: bytes) -> list[pa.RecordBatch] | None:
        """Parse a block by Arrow. Return None unless its lines are valid rows that need no quotes."""
        block = _without_quotes(block)
        if not block or b"\0" in block:
            return None
        columns_read = [f"f{position}" for position in self.positions]
        try:
            table = pa_csv.read_csv(
                pa.BufferReader(block),
                pa_csv.ReadOptions(
                    use_threads=False,
                    block_size=len(block) + 1,
                    column_names=[f"f{position}" for position in range(self.width)],
                ),
                pa_csv.ParseOptions(quote_char=False),
                pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(columns_read, pa.string()),
                    include_columns=columns_read,
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != block.count(b"\n"):
            return None
        columns = [column.combine_chunks() for column in table.columns]
        numbers = pa.array(np.arange(self.line_no, self.line_no + table.num_rows))
        self.line_no += table.num_rows
        return [parsed_rows(numbers, columns)]

    def _parse_carefully(self, block: bytes, last: bool) -> Iterator[pa.RecordBatch]:
        """Parse any block by Python's csv module, line by line where necessary."""
        raw = block.split(b"\n")[:-1]
        lines = _decode(block, raw)
        parsed = self._parse_whole(lines) or self._parse_lines(lines, raw, last)
        if parsed.rows:
            columns = list(zip(*parsed.rows, strict=True))
            yield parsed_rows(parsed.line_numbers, [columns[position] for position in self.positions])
        if parsed.broken:
            yield malformed_rows(parsed.broken)

    def _parse_whole(self, lines: Sequence[str | None]) -> _Parsed | None:
        """Parse all lines at once. Return None unless each of them is a row of the right width."""
        if None in lines:
            return None
        try:
            # The additional empty line shows whether a quote of the last line stays open.
            rows = list(csv.reader([*lines, ""]))  # type: ignore[list-item]
        except csv.Error:
            return None
        rows.pop()
        if len(rows) != len(lines):
            return None
        if set(map(len, rows)) != {self.width}:
            rows = [_fitted(row, self.width) for row in rows]
            if set(map(len, rows)) != {self.width}:
                return None
        first, self.line_no = self.line_no, self.line_no + len(lines)
        return _Parsed(rows, list(range(first, self.line_no)))

    def _parse_lines(self, lines: Sequence[str | None], raw: Sequence[bytes], last: bool) -> _Parsed:
        parsed, at, first = _Parsed(), 0, self.line_no
        while at < len(lines):
            line, used = lines[at], 1
            row = None if line is None else _parse_line(line)
            if line is not None and row is None:
                joined = _join(lines, at, self.width)
                if joined is None and not last and _may_continue(lines, at):
                    self.waiting = b"\n".join(raw[at:]) + b"\n"
                    break
                row, used = joined or (None, 1)
            row = row and _fitted(row, self.width)
            if row is not None and len(row) == self.width:
                parsed.rows.append(row)
                parsed.line_numbers.append(first + at)
            elif line is None or line.strip():
                parsed.broken.append((first + at, readable(raw[at])))
            at += used
        self.line_no = first + at
        if last:
            _require_closed(parsed, lines, first)
        return parsed


def _without_quotes(block: bytes) -> bytes:
    """Return a block with its few quoted lines written without quotes, or nothing when that can't be done.

    A line that is complete by itself is not joined with others, so that it may be parsed apart from them.
    """
    if b'"' not in block:
        return block
    if block.count(b'"') > len(block) // _BYTES_PER_QUOTE:
        return b""
    parts, end = [], 0
    while (quote := block.find(b'"', end)) >= 0:
        start = block.rfind(b"\n", 0, quote) + 1
        parts.append(block[end:start])
        end = block.find(b"\n", quote)
        line = _decode_line(block[start:end])
        fields = None if line is None else _parse_line(line)
        line = ",".join(fields or ())
        if not fields or '"' in line or line.count(",") != len(fields) - 1:
            return b""
        parts.append(line.encode())
    return b"".join([*parts, block[end:]])


def _require_closed(parsed: _Parsed, lines: Sequence[str | None], first: int) -> None:
    """Raise RefusedFile when a quote opened after the last row is still open at the end of the file."""
    row = max(parsed.line_numbers, default=0)
    for number, _text in parsed.broken:
        if number > row and _may_continue(lines, number - first):
            raise RefusedFile(
                "it is truncated: the quote opened in line %(line)s is never closed", line=number
            )


def _fitted(row: list[str], width: int) -> list[str]:
    """Return the row without empty fields beyond `width`, which result from commas at the end of a line."""
    return row[:width] if len(row) > width and not any(row[width:]) else row


def _read_header(blocks: Iterator[bytes]) -> tuple[list[str], int, bytes]:
    """Return the column names, the number of the line after them, and the rest of the block."""
    line_no = 1
    for block in blocks:
        while block:
            line, _, block = block.partition(b"\n")
            line_no += 1
            if line.strip():
                return _check_header(readable(line)), line_no, block
    raise RefusedFile("it is empty; columns missing: %(columns)s", columns=", ".join(FIELDS))


def _check_header(line: str) -> list[str]:
    header = [name.strip() for name in _parse_line(line) or []]
    while header and not header[-1]:
        header.pop()
    missing = [name for name in FIELDS if name not in header]
    if missing:
        raise RefusedFile(
            "it is not a CSV file with the expected header; columns missing: %(columns)s",
            columns=", ".join(missing),
        )
    repeated = [name for name in FIELDS if header.count(name) > 1]
    if repeated:
        raise RefusedFile("columns that appear more than once: %(columns)s", columns=", ".join(repeated))
    return header


def _with_last(first: bytes, blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    current = first
    for block in blocks:
        yield current, False
        current = block
    yield current, True


def _decode(block: bytes, raw: Sequence[bytes]) -> list[str | None]:
    """Decode the lines. A line that is not UTF-8 or contains a NUL becomes None."""
    try:
        if b"\0" not in block:
            return list(block.decode().split("\n")[:-1])
    except UnicodeDecodeError:
        pass
    return [_decode_line(line) for line in raw]


def _decode_line(line: bytes) -> str | None:
    try:
        return None if b"\0" in line else line.decode()
    except UnicodeDecodeError:
        return None


def _parse_line(line: str) -> list[str] | None:
    """Return the fields of a line, None when a quote stays open."""
    try:
        rows = list(csv.reader([line, ""]))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 2 else None


def _join(lines: Sequence[str | None], at: int, width: int) -> tuple[list[str], int] | None:
    """Return the record of `width` fields from line `at` to a later one, and its number of lines.

    Strict parsing keeps a stray quote from swallowing valid rows up to the next quote.
    """
    reader = csv.reader((f"{line}\n" for line in _window(lines, at)), strict=True)
    try:
        row = next(reader)
    except csv.Error:
        return None
    return (row, reader.line_num) if len(row) == width else None


def _window(lines: Sequence[str | None], at: int) -> Iterator[str]:
    characters = 0
    for line in lines[at : at + MAX_JOINED_LINES]:
        characters += len(line or "")
        if line is None or characters > MAX_JOINED_CHARACTERS:
            return
        yield line


def _may_continue(lines: Sequence[str | None], at: int) -> bool:
    """Return whether a record that is open on line `at` may end in the next block."""
    window = list(_window(lines, at))
    if at + len(window) < len(lines) or len(window) == MAX_JOINED_LINES:
        return False
    try:
        next(csv.reader((f"{line}\n" for line in window), strict=True))
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False
