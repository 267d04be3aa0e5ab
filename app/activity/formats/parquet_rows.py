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
#: formats of the engine for fractions of a second, by the unit of timestamps
_FRACTIONS = {"ms": "%g", "us": "%f"}
_NO_FRACTION = r"\.0+(Z?)$"
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


def engine_columns(path: Path) -> list[str] | None:
    """Return SQL for the fields of a file from which the engine reads the same texts as this module.

    None unless it is Parquet and has texts and, in `event_time`, perhaps timestamps. The engine takes no name
    that is not text, and some characters for a pattern.
    """
    name = str(path)
    if split_ending(path)[0] != "parquet" or not printable_name(path) == name == glob.escape(name):
        return None
    try:
        with open_file(path) as stream, pq.ParquetFile(stream, coerce_int96_timestamp_unit="us") as file:
            columns = [file.schema.column(place) for place in range(len(file.schema))]
            names = [column.path.lower() for column in columns]
            if ROW_NUMBER in names or any(names.count(name) != 1 for name in FIELDS):
                return None
            by_name = {column.path: column for column in columns if _is_plain(column)}
            texts = {name: name for name, column in by_name.items() if _is_plain_text(column)}
            if "event_time" in by_name and (time := _time_text(by_name["event_time"], file.schema_arrow)):
                texts["event_time"] = f"{time} AS event_time"
    except (RefusedFile, pa.ArrowException, OSError, ValueError):
        return None
    return [texts[name] for name in FIELDS] if texts.keys() >= set(FIELDS) else None


def _is_plain(column: pq.ColumnSchema) -> bool:
    return bool(column.max_repetition_level == 0 and column.max_definition_level <= 1)


def _is_plain_text(column: pq.ColumnSchema) -> bool:
    return bool(column.logical_type.type == "STRING" or column.converted_type == "UTF8")


def _time_text(column: pq.ColumnSchema, schema: pa.Schema) -> str | None:
    """Return SQL for the text of a timestamp, None for another type. It fails beyond the year 9999."""
    kind = schema.field(column.path).type
    if not pa.types.is_timestamp(kind) or kind.unit not in _FRACTIONS:
        return None
    time, zone = ("timezone('UTC', event_time)", "Z") if kind.tz else ("event_time", "")
    if column.physical_type == "INT96":
        zone = "Z"
    return f"""
        CASE WHEN event_time IS NULL THEN NULL
            WHEN year({time}) NOT BETWEEN 1 AND 9999 THEN error('beyond the calendar')
            WHEN microsecond({time}) % 1000000 = 0 THEN CAST({time} AS VARCHAR) || '{zone}'
            ELSE strftime({time}, '%Y-%m-%d %H:%M:%S.{_FRACTIONS[kind.unit]}{zone}') END
    """


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
        text = pc.strftime(naive, format=f"%Y-%m-%d %H:%M:%S{zone}")
        return pc.replace_substring_regex(text, _NO_FRACTION, r"\1")
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
