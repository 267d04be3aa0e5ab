"""Parquet: columns of any type, read as the text a CSV file would have held."""

import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from app.activity.errors import RefusedFile
from app.activity.formats.files import open_file
from app.activity.formats.rows import FIELDS, IDS, batch, malformed

BATCH_ROWS = 50_000
RAW_HASH_BYTES = 32
_HEX = re.compile(rb"[0-9A-Fa-f]*")


def parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Rows of a Parquet file, numbered from 1.

    Raises RefusedFile when it is damaged, lacks a column or holds ids in a type that has no exact text.
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
        raise RefusedFile("it is not a sound Parquet file: %(why)s", why=str(error)) from error


def _check_columns(schema: pa.Schema) -> None:
    missing = [name for name in FIELDS if schema.names.count(name) != 1]
    if missing:
        raise RefusedFile("columns missing or repeated: %(columns)s", columns=", ".join(missing))
    for name in IDS:
        if not _has_exact_text(schema.field(name).type):
            raise RefusedFile(
                "%(name)s is a column of type %(kind)s, not of text",
                name=name,
                kind=str(schema.field(name).type),
            )


def _has_exact_text(kind: pa.DataType) -> bool:
    """Whether values of the type have one text that is surely the one they were delivered as."""
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
    """The columns of INT96 times, which Spark and Hive write as UTC without saying so."""
    columns = (schema.column(place) for place in range(len(schema)))
    return frozenset(column.path for column in columns if column.physical_type == "INT96")


def _rows(part: pa.RecordBatch, row_no: int, as_utc: frozenset[str]) -> Iterator[pa.RecordBatch]:
    columns = [_column(part.column(name), name, as_utc) for name in FIELDS]
    numbers = pa.array(range(row_no, row_no + part.num_rows), pa.int64())
    sound = [_is_utf8(column) for column in columns]
    if all(sound):
        yield batch(numbers, columns)
        return
    texts = [[_decode(value) for value in column.cast(pa.binary()).to_pylist()] for column in columns]
    good = [index for index, row in enumerate(zip(*texts, strict=True)) if "\0" not in row]
    bad = sorted(set(range(part.num_rows)) - set(good))
    kept = pa.array(good, pa.int64())
    yield batch(numbers.take(kept), [pa.array(column, pa.string()).take(kept) for column in texts])
    yield malformed([(row_no + index, ",".join(column[index] or "" for column in texts)) for index in bad])


def _column(column: pa.Array, name: str, as_utc: frozenset[str]) -> pa.Array:
    """A column as text; one of raw hashes as their hexadecimal digits, one of INT96 times as UTC."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if name in as_utc:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    if name == "id_hash" and _is_binary(column.type):
        column = pa.array([_hex(value) for value in column.to_pylist()], pa.binary())
    return _text(column)


def _hex(value: bytes | None) -> bytes | None:
    """The digits of a raw hash; anything else, 32 digits of some other hash included, as it is."""
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
    """The text, None for null, and a lone NUL for bytes that are not UTF-8."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return "\0"
