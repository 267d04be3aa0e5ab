"""Tables as files that a spreadsheet opens and in which no cell can be a formula."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from app.lib.lazy import lazy
from app.lib.spreadsheet import csv_lines, in_workbook, temporary_files_in

if TYPE_CHECKING:
    import openpyxl
else:
    openpyxl = lazy("openpyxl")


#: a sheet holds 1,048,576 rows; the rest goes on the next sheet
ROWS_PER_SHEET = 1_000_000
#: what is unfinished: files that end in PART, folders that begin with SCRATCH
PART = ".part"
SCRATCH = "tmp-"

Row = Sequence[str]


def write_table(path: Path, form: str, watermark: str, header: Row, rows: Iterable[Row]) -> None:
    """Write ``rows`` below a row with the watermark and one with the header; ``form`` is xlsx or csv.

    The file (mode 0600) appears under its name only when it is whole. Memory does not grow with the rows.
    """
    part = path.with_suffix(PART)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        _FORMS[form](part, watermark, header, rows)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _csv(path: Path, watermark: str, header: Row, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        stream.writelines(csv_lines(chain([[watermark], header], rows)))


def _xlsx(path: Path, watermark: str, header: Row, rows: Iterable[Row]) -> None:
    # openpyxl keeps the sheet in a temporary file; a killed process must not leave it where nobody looks.
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH) as scratch,
        temporary_files_in(scratch),
    ):
        _write_book(path, watermark, header, rows)


def _write_book(path: Path, watermark: str, header: Row, rows: Iterable[Row]) -> None:
    book = openpyxl.Workbook(write_only=True)
    for sheet_rows in _sheets(iter(rows)):
        sheet = book.create_sheet()
        sheet.append([in_workbook(watermark)])
        sheet.append([in_workbook(cell) for cell in header])
        for row in sheet_rows:
            sheet.append([in_workbook(cell) for cell in row])
    book.save(path)


def _sheets(rows: Iterator[Row]) -> Iterator[Iterator[Row]]:
    """The rows sheet by sheet; one sheet when there are none."""
    pending: list[Row] = []

    def fill() -> Iterator[Row]:
        for _ in range(ROWS_PER_SHEET):
            if pending:
                yield pending.pop()
            elif (row := next(rows, None)) is not None:
                yield row
            else:
                return

    yield fill()
    while (row := next(rows, None)) is not None:
        pending.append(row)
        yield fill()


_FORMS: dict[str, Callable[[Path, str, Row, Iterable[Row]], None]] = {"xlsx": _xlsx, "csv": _csv}
