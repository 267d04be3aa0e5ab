"""Parquet: columns of any type, read as the text a CSV file would have held."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from app.activity.errors import UnreadableFile
from app.activity.formats.rows import FIELDS, batch, malformed

BATCH_ROWS = 50_000


def parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Rows of a Parquet file, numbered from 1. Raises UnreadableFile when it is damaged or lacks a column."""
    row_no = 1
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names)
            for part in file.iter_batches(BATCH_ROWS, columns=list(FIELDS)):
                yield from _rows(part, row_no)
                row_no += part.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableFile(f"it is not a sound Parquet file: {error}") from error


def _check_columns(names: list[str]) -> None:
    missing = [name for name in FIELDS if names.count(name) != 1]
    if missing:
        raise UnreadableFile(f"columns missing or repeated: {', '.join(missing)}")


def _rows(part: pa.RecordBatch, row_no: int) -> Iterator[pa.RecordBatch]:
    columns = [_text(part.column(name)) for name in FIELDS]
    numbers = pa.array(range(row_no, row_no + part.num_rows), pa.int64())
    sound = [_is_utf8(column) for column in columns]
    if all(sound):
        yield batch(numbers, columns)
        return
    texts = [[_decode(value) for value in column.cast(pa.binary()).to_pylist()] for column in columns]
    good = [index for index, row in enumerate(zip(*texts, strict=True)) if "\0" not in row]
    bad = sorted(set(range(part.num_rows)) - set(good))
    yield batch(numbers.take(good), [pa.array(column, pa.string()).take(good) for column in texts])
    yield malformed([(row_no + index, ",".join(column[index] or "" for column in texts)) for index in bad])


def _text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _text(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        naive = (
            column.cast(pa.timestamp(kind.unit, "UTC")).cast(pa.timestamp(kind.unit)) if kind.tz else column
        )
        return pc.strftime(naive, format=f"%Y-%m-%d %H:%M:%S{zone}")
    if pa.types.is_large_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return (
            column.cast(pa.binary()).cast(pa.string(), safe=False)
            if len(column)
            else pa.array([], pa.string())
        )
    if pa.types.is_nested(kind):
        return pa.array(
            [None if v is None else orjson.dumps(v, default=str).decode() for v in column.to_pylist()]
        )
    return column.cast(pa.string())


def _is_utf8(column: pa.Array) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _decode(value: bytes | None) -> str | None:
    """The text, None for null, and a lone NUL for bytes that are not UTF-8."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return "\0"
