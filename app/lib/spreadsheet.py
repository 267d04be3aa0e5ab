"""Cells of files that people open in a spreadsheet."""

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


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_TIME = r"(?:[T ]\s*[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
_DATE = re.compile(
    rf"([0-9]{{4}})\s*[-/.年]\s*([0-9]{{1,2}})\s*[-/.月]\s*([0-9]{{1,2}})\s*[日号]?{_TIME}"
    rf"|([0-9]{{4}})([0-9]{{2}})([0-9]{{2}})"
)
#: what Excel shows of a date in a cell without the format of one: days, from 2000 to 2100
_DAY_NUMBER = re.compile(r"[3-7][0-9]{4}")
_DAY_ZERO, _FIRST_DAY, _LAST_DAY = dt.date(1899, 12, 30), dt.date(2000, 1, 1), dt.date(2100, 12, 31)


def shown(path: Path | str) -> str:
    """A file name for people, logs and databases: what is no text, controls or turns it is escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def shortened(text: str, most: int) -> str:
    """The text, with an ellipsis for what is beyond ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def safe_cell(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would run as a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def in_workbook(cell: str) -> str:
    """The same for a cell of a workbook, without the control characters that one can't hold."""
    return safe_cell(openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", cell))


def csv_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield rows as lines of a CSV file in which no cell can be a formula."""
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow([safe_cell(cell) for cell in row])
        yield line.getvalue()


@contextmanager
def temporary_files_in(folder: str) -> Iterator[None]:
    """Let libraries put their temporary files into ``folder``, where somebody deletes what a kill leaves."""
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before


def unescaped(cell: str) -> str:
    """What was meant by a cell that was written so that a spreadsheet takes it for text.

    That is an apostrophe before a formula, as ``safe_cell`` writes it, or ``="310…"``.
    """
    if cell[:1] == "'" and cell[1:2] in FORMULA_STARTS:
        return cell[1:]
    if cell[:2] == '="' and cell[-1:] == '"' and len(cell) > 2:
        return cell[2:-1].replace('""', '"')
    return cell


def date_in(cell: str) -> dt.date | None:
    """The date that a cell gives, the year first, also with a time; None when it is none.

    2027-1-31, 2027/1/31, 2027.1.31, 2027年1月31日, 20270131, and the number of a day that Excel shows of a
    date whose format was lost. 1/2/2027 is none: nobody knows whether the day or the month comes first.
    """
    text = unicodedata.normalize("NFKC", cell).strip()
    if _DAY_NUMBER.fullmatch(text):
        day = _DAY_ZERO + dt.timedelta(days=int(text))
        return day if _FIRST_DAY <= day <= _LAST_DAY else None
    found = _DATE.fullmatch(text)
    try:
        return dt.date(*(int(part) for part in found.groups() if part)) if found else None
    except ValueError:
        return None
