"""Cells and names of files that people open in a spreadsheet."""

import csv
import datetime as dt
import io
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.lib.lazy import lazy

if TYPE_CHECKING:
    import openpyxl
else:
    openpyxl = lazy("openpyxl")


#: spreadsheets of Chinese and Japanese editions take full-width signs for plain ones
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_TIME = r"(?:[T ]\s*[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
_DATE = re.compile(
    rf"([0-9]{{4}})\s*[-/.年]\s*([0-9]{{1,2}})\s*[-/.月]\s*([0-9]{{1,2}})\s*[日号]?{_TIME}"
    rf"|([0-9]{{4}})([0-9]{{2}})([0-9]{{2}})"
)
#: the day numbers that Excel shows for dates from 2000 to 2100 in cells without a date format
_DAY_NUMBER = re.compile(r"[3-7][0-9]{4}")
_DAY_ZERO, _FIRST_DAY, _LAST_DAY = dt.date(1899, 12, 30), dt.date(2000, 1, 1), dt.date(2100, 12, 31)


def printable_name(path: Path | str) -> str:
    """Return a file name to show and store; undecodable bytes, control and bidi characters are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def truncate(text: str, most: int) -> str:
    """Return the text, cut to ``most`` characters with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def safe_cell(cell: str) -> str:
    """Return the cell with an apostrophe before anything that a spreadsheet would run as a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def safe_workbook_cell(cell: str) -> str:
    """Return ``safe_cell`` of a cell without the control characters that a workbook can't hold."""
    return safe_cell(openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", cell))


def csv_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield rows as lines of CSV in which no cell is a formula."""
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow([safe_cell(cell) for cell in row])
        yield line.getvalue()


@contextmanager
def temporary_files_in(folder: str) -> Iterator[None]:
    """Make libraries write temporary files to ``folder``, which is cleaned up after a crash."""
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before


def unescape(cell: str) -> str:
    """Return the value of a cell that was escaped to be read as text.

    Escapes are an apostrophe before a formula, as ``safe_cell`` writes it, and ``="310…"``.
    """
    if cell[:1] == "'" and cell[1:2] in FORMULA_STARTS:
        return cell[1:]
    if cell[:2] == '="' and cell[-1:] == '"' and len(cell) > 2:
        return cell[2:-1].replace('""', '"')
    return cell


def parse_date(cell: str) -> dt.date | None:
    """Parse a date with the year first, with or without a time. Return None for anything else.

    Accepted are 2027-1-31, 2027/1/31, 2027.1.31, 2027年1月31日, 20270131, and the day number that Excel shows
    for a date without its format. 1/2/2027 is not: it is unclear whether the day or the month comes first.
    """
    text = unicodedata.normalize("NFKC", cell).strip()
    if _DAY_NUMBER.fullmatch(text):
        day = _DAY_ZERO + dt.timedelta(days=int(text))
        return day if _FIRST_DAY <= day <= _LAST_DAY else None
    match = _DATE.fullmatch(text)
    try:
        return dt.date(*(int(part) for part in match.groups() if part)) if match else None
    except ValueError:
        return None
