"""Rows of a file as columns of text, for imports that check whole columns at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.leads import parquet_file, text_file
from app.leads.errors import RowError
from app.leads.reader import LeadFile, kind_of
from app.leads.text_file import Row
from app.lib.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
else:
    np = lazy("numpy")
    pa = lazy("pyarrow")
    pc = lazy("pyarrow.compute")

_ROWS = 20_000


@dataclass(frozen=True)
class Block:
    """Non-empty rows: their numbers, a column of text per title of the header, and faults by position."""

    numbers: Any
    columns: list[pa.Array]
    faults: dict[int, RowError] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def cells(self, at: int) -> list[str]:
        """Return the cells of the row at a position."""
        return [column[at].as_py() for column in self.columns]


def blocks(path: Path, name: str, file: LeadFile) -> Iterator[Block]:
    """Yield the rows of an opened file. Raises UnreadableFile when it turns out to be damaged."""
    if kind_of(path, name) == "parquet":
        return _of_tables(parquet_file.text_tables(path, name))
    if separator := text_file.plain_separator(path):
        return _of_plain_text(path, file, separator)
    return _of_rows(file.rows, len(file.header))


def _of_plain_text(path: Path, file: LeadFile, separator: str) -> Iterator[Block]:
    """Parse the file by its columns, from the first line with another number of cells on row by row."""
    done = 1
    try:
        for block in _of_tables(text_file.plain_tables(path, separator, len(file.header))):
            yield block
            done = int(block.numbers[-1])
    except pa.ArrowInvalid:
        yield from _of_rows((row for row in file.rows if row.number > done), len(file.header))


def _of_tables(tables: Iterable[pa.RecordBatch]) -> Iterator[Block]:
    first = 2
    for table in tables:
        numbers = np.arange(first, first + table.num_rows)
        first += table.num_rows
        filled = pa.array(np.zeros(table.num_rows, bool))
        for column in table.columns:
            filled = pc.or_(filled, pc.not_equal(pc.utf8_trim_whitespace(column), ""))
            if pc.all(filled).as_py():
                break
        else:
            numbers, table = numbers[filled.to_numpy(zero_copy_only=False)], table.filter(filled)
        if table.num_rows:
            yield Block(numbers, table.columns)


def _of_rows(rows: Iterable[Row], width: int) -> Iterator[Block]:
    iterator = iter(rows)
    while part := list(islice(iterator, _ROWS)):
        cells = [[*row.cells[:width], *[""] * (width - len(row.cells))] for row in part]
        columns = [pa.array(column, pa.string()) for column in zip(*cells, strict=True)]
        faults = {at: row.fault for at, row in enumerate(part) if row.fault}
        yield Block(np.array([row.number for row in part]), columns, faults)
