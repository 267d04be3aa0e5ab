"""Writing tables of any length as CSV or Excel files in which no cell can be a formula."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from app.lib.lazy import lazy
from app.lib.spreadsheet import csv_lines, safe_workbook_cell, temporary_files_in

if TYPE_CHECKING:
    import openpyxl
else:
    openpyxl = lazy("openpyxl")


#: Excel allows 1,048,576 rows in a sheet; further rows go on the next one
ROWS_PER_SHEET = 1_000_000
#: suffix of unfinished files, and prefix of temporary folders
PART = ".part"
SCRATCH = "tmp-"

Row = Sequence[str]


def write_table(path: Path, file_format: str, watermark: str, header: Row, rows: Iterable[Row]) -> None:
    """Write the watermark, the header and ``rows`` to a file; ``file_format`` is xlsx or csv.

    The file (mode 0600) appears under its name only when it is complete. Memory use does not depend on the
    number of rows.
    """
    part = path.with_suffix(PART)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        _WRITERS[file_format](part, watermark, header, rows)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _csv(path: Path, watermark: str, header: Row, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        stream.writelines(csv_lines(chain([[watermark], header], rows)))


def _xlsx(path: Path, watermark: str, header: Row, rows: Iterable[Row]) -> None:
    # openpyxl keeps the sheet in a temporary file. One left by a killed process must lie where it is deleted.
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH) as scratch,
        temporary_files_in(scratch),
    ):
        _write_book(path, watermark, header, rows)


def _write_book(path: Path, watermark: str, header: Row, rows: Iterable[Row]) -> None:
    book = openpyxl.Workbook(write_only=True)
    for sheet_rows in _sheets(iter(rows)):
        sheet = book.create_sheet()
        sheet.append([safe_workbook_cell(watermark)])
        sheet.append([safe_workbook_cell(cell) for cell in header])
        for row in sheet_rows:
            sheet.append([safe_workbook_cell(cell) for cell in row])
    book.save(path)


def _sheets(rows: Iterator[Row]) -> Iterator[Iterator[Row]]:
    """Yield the rows of each sheet; without rows there is one empty sheet."""
    pending: list[Row] = []

    def rows_of_sheet() -> Iterator[Row]:
        for _ in range(ROWS_PER_SHEET):
            if pending:
                yield pending.pop()
            elif (row := next(rows, None)) is not None:
                yield row
            else:
                return

    yield rows_of_sheet()
    while (row := next(rows, None)) is not None:
        pending.append(row)
        yield rows_of_sheet()


_WRITERS: dict[str, Callable[[Path, str, Row, Iterable[Row]], None]] = {"xlsx": _xlsx, "csv": _csv}
