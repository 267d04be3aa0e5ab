"""Reading of delivered files of any kind."""

from collections.abc import Iterator

import pyarrow as pa

from app.activity.errors import RefusedFile
from app.activity.formats.blocks import read_blocks
from app.activity.formats.csv_rows import csv_batches
from app.activity.formats.files import Fingerprint, fingerprint, split_ending
from app.activity.formats.jsonl_rows import jsonl_batches
from app.activity.formats.parquet_rows import parquet_batches


def read_rows(file: Fingerprint) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file as record batches of `rows.SCHEMA`, in bounded memory.

    Raises RefusedFile, possibly after some batches, when the file is of another kind than its name says or
    has changed since it was fingerprinted. The caller must then discard the batches.
    """
    kind, _ = split_ending(file.path)
    if kind == "parquet":
        yield from parquet_batches(file.path)
        require_unchanged(file)
        return
    batches = csv_batches if kind == "csv" else jsonl_batches
    yield from batches(read_blocks(file))


def require_unchanged(file: Fingerprint) -> None:
    """Raise RefusedFile when the file's content is no longer the one that was fingerprinted."""
    if fingerprint(file.path) != file:
        raise RefusedFile("the file changed while it was read")
