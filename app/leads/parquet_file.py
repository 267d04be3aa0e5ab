"""Parquet files as rows of text."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import N_
from app.leads.errors import UnreadableFile
from app.leads.text_file import Row
from app.lib.lazy import lazy

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
else:
    pa = lazy("pyarrow")
    pc = lazy("pyarrow.compute")
    pq = lazy("pyarrow.parquet")

MAGIC = b"PAR1"
_ROWS = 20_000


def parquet_rows(path: Path, file: str) -> tuple[Iterator[Row], int]:
    """Return the header and the rows of a file, and their number. Raises UnreadableFile, also later on."""
    try:
        return _rows(pq.ParquetFile(path), file), pq.read_metadata(path).num_rows + 1
    except (pa.ArrowException, ValueError):
        raise _damaged(file) from None


def text_tables(path: Path, file: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file as columns of text. Raises UnreadableFile when it is damaged."""
    try:
        for part in pq.ParquetFile(path).iter_batches(_ROWS):
            columns = [_text_column(column) for column in part.columns]
            yield pa.RecordBatch.from_arrays(columns, [str(at) for at in range(len(columns))])
    except (pa.ArrowException, ValueError):
        raise _damaged(file) from None


def _text_column(column: pa.Array) -> pa.Array:
    try:
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)
        return pc.cast(column, pa.string()).fill_null("")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([_text(value) for value in column.to_pylist()], pa.string())


def _rows(opened: Any, file: str) -> Iterator[Row]:
    yield Row(1, list(opened.schema_arrow.names))
    number = 2
    try:
        for part in opened.iter_batches(_ROWS):
            for values in zip(*(column.to_pylist() for column in part.columns), strict=True):
                yield Row(number, [_text(value) for value in values])
                number += 1
    except (pa.ArrowException, ValueError):
        raise _damaged(file) from None


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _damaged(file: str) -> UnreadableFile:
    return UnreadableFile("file_damaged", N_("%(file)s is not a valid Parquet file"), file=file)
