"""Parquet files: columns of any type, read as the text that a CSV file would contain."""

import glob
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from app.activity.errors import RefusedFile
from app.activity.formats.files import open_file, split_ending
from app.activity.formats.rows import FIELDS, IDS, malformed_rows, parsed_rows
from app.lib.spreadsheet import printable_name

#: the engine's name for the number of a row from 0
ROW_NUMBER = "file_row_number"
BATCH_ROWS = 50_000
RAW_HASH_BYTES = 32
_HEX = re.compile(rb"[0-9A-Fa-f]*")


def parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file, numbered from 1.

    Raises RefusedFile when it is damaged, lacks a column or has ids of a type without an exact text.
    """
    row_no = 1
    try:
        with open_file(path) as stream, pq.ParquetFile(stream, coerce_int96_timestamp_unit="us") as file:
            _check_columns(file.schema_arrow)
            as_utc = _int96_columns(file.schema)
            for part in file.iter_batches(BATCH_ROWS, columns=list(FIELDS)):
                yield from _rows(part, row_no, as_utc)
                row_no += part.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RefusedFile("it is not a valid Parquet file: %(why)s", why=str(error)) from error


def is_plain(path: Path) -> bool:
    """Return whether a file is Parquet and has texts, so that the engine itself reads the same rows from it.

    The engine takes no name that is not text, and some characters for a pattern.
    """
    name = str(path)
    if split_ending(path)[0] != "parquet" or not printable_name(path) == name == glob.escape(name):
        return False
    try:
        with open_file(path) as stream, pq.ParquetFile(stream) as file:
            columns = [file.schema.column(place) for place in range(len(file.schema))]
    except (RefusedFile, pa.ArrowException, OSError, ValueError):
        return False
    names = [column.path.lower() for column in columns]
    texts = {column.path for column in columns if _is_plain_text(column)}
    return ROW_NUMBER not in names and all(names.count(name) == 1 and name in texts for name in FIELDS)


def _is_plain_text(column: pq.ColumnSchema) -> bool:
    is_text = column.logical_type.type == "STRING" or column.converted_type == "UTF8"
    return bool(is_text and column.max_repetition_level == 0 and column.max_definition_level <= 1)


def _check_columns(schema: pa.Schema) -> None:
    missing = [name for name in FIELDS if schema.names.count(name) != 1]
    if missing:
        raise RefusedFile("columns missing or repeated: %(columns)s", columns=", ".join(missing))
    for name in IDS:
        if not _has_exact_text(schema.field(name).type):
            raise RefusedFile(
                "column %(name)s has the type %(kind)s instead of text",
                name=name,
                kind=str(schema.field(name).type),
            )


def _has_exact_text(kind: pa.DataType) -> bool:
    """Return whether values of the type have exactly one text, the one that was delivered."""
    if pa.types.is_dictionary(kind):
        return _has_exact_text(kind.value_type)
    if pa.types.is_decimal(kind):
        return bool(kind.scale == 0)
    return _is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind) or kind == pa.uuid()


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    ) or (_is_binary(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _int96_columns(schema: pq.ParquetSchema) -> frozenset[str]:
    """Return the columns of INT96 times, which Spark and Hive write as UTC without declaring it."""
    columns = (schema.column(place) for place in range(len(schema)))
    return frozenset(column.path for column in columns if column.physical_type == "INT96")


def _rows(part: pa.RecordBatch, row_no: int, as_utc: frozenset[str]) -> Iterator[pa.RecordBatch]:
    columns = [_column(part.column(name), name, as_utc) for name in FIELDS]
    numbers = pa.array(np.arange(row_no, row_no + part.num_rows))
    if all(_is_utf8(column) for column in columns):
        yield parsed_rows(numbers, columns)
        return
    texts = [[_decode(value) for value in column.cast(pa.binary()).to_pylist()] for column in columns]
    good = [index for index, row in enumerate(zip(*texts, strict=True)) if "\0" not in row]
    bad = sorted(set(range(part.num_rows)) - set(good))
    kept = pa.array(good, pa.int64())
    yield parsed_rows(numbers.take(kept), [pa.array(column, pa.string()).take(kept) for column in texts])
    yield malformed_rows(
        [(row_no + index, ",".join(column[index] or "" for column in texts)) for index in bad]
    )


def _column(column: pa.Array, name: str, as_utc: frozenset[str]) -> pa.Array:
    """Convert a column to text, raw hashes to hexadecimal digits, and INT96 times to UTC."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if name in as_utc:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    if name == "id_hash" and _is_binary(column.type):
        column = pa.array([_hex(value) for value in column.to_pylist()], pa.binary())
    return _text(column)


def _hex(value: bytes | None) -> bytes | None:
    """Return the hexadecimal digits of a raw hash.

    Anything else, even 32 hexadecimal digits, is unchanged.
    """
    raw = value is not None and len(value) == RAW_HASH_BYTES and not _HEX.fullmatch(value)
    return value.hex().encode() if raw and value is not None else value


def _text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        naive = (
            column.cast(pa.timestamp(kind.unit, "UTC")).cast(pa.timestamp(kind.unit)) if kind.tz else column
        )
        return pc.strftime(naive, format=f"%Y-%m-%d %H:%M:%S{zone}")
    if _is_text(kind):
        return (
            column.cast(pa.binary()).cast(pa.string(), safe=False)
            if len(column)
            else pa.array([], pa.string())
        )
    if kind == pa.uuid():
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    try:
        return column.cast(pa.string())
    except pa.ArrowNotImplementedError:
        return pa.array([None if v is None else _shown(v) for v in column.to_pylist()], pa.string())


def _shown(value: object) -> str:
    return orjson.dumps(value, default=str).decode()


def _is_utf8(column: pa.Array) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _decode(value: bytes | None) -> str | None:
    """Decode a value: None for null, and a single NUL for bytes that are not UTF-8."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return "\0"
