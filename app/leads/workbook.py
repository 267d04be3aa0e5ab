"""Looks over an .xlsx file before it is opened: a small one may unpack to more memory than there is."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from app.leads.errors import N_, UnreadableFile

_MAX_UNPACKED = 2 << 30
_MAX_RATIO = 200
_RATIO_MATTERS = 64 << 20
# The reader keeps every cell of the rectangle around the used ones, at some 30 bytes each.
_MAX_CELLS = 50_000_000
_CHUNK = 1 << 20
_OVERLAP = 64
_COLUMN = re.compile(rb'\sr="([A-Z]{1,3})[0-9]')
_ROW = re.compile(rb'<(?:\w+:)?row\s[^>]*?\br="([0-9]{1,9})"')
_ODDITIES = {
    "merged_header": re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="[A-Z]+1:[A-Z]+[0-9]+"'),
    "merged_rows": re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="[A-Z]+[0-9]+:[A-Z]+(?!1")[0-9]+"'),
    "formulas": re.compile(
        rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\s[^>]*/>)\s*(?:<(?:\w+:)?v\s*/>|<v></v>|</(?:\w+:)?c>)"
    ),
    "hidden_columns": re.compile(rb'<(?:\w+:)?col\s[^>]*?\bhidden="(?:1|true)"'),
    "hidden_rows": re.compile(rb'<(?:\w+:)?row\s[^>]*?\bhidden="(?:1|true)"'),
}
_HIDDEN_SHEET = re.compile(rb'<(?:\w+:)?sheet\s[^>]*?\bstate="(?:hidden|veryHidden)"')
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError)


def check_workbook(path: Path, file: str) -> None:
    """Raise UnreadableFile unless ``path`` is a workbook of a size that a lead list can have."""
    try:
        with zipfile.ZipFile(path) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                raise corrupt(file)
            if _unpacks_too_far(archive, path.stat().st_size) or not _fits(archive):
                raise UnreadableFile(
                    "file_too_big", N_("%(file)s unpacks to far more than a lead list"), file=file
                )
    except _DAMAGE:
        raise corrupt(file) from None


def oddities(path: Path) -> list[str]:
    """What an .xlsx file has that its reader can't see or a person may not expect; nothing for other files.

    Some of ``merged_header``, ``merged_rows``, ``formulas`` (without a stored result), ``hidden_columns``,
    ``hidden_rows``, ``hidden_sheets``.
    """
    if not zipfile.is_zipfile(path):
        return []
    found: set[str] = set()
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                found |= _odd_in(_chunks(archive, name))
        if _HIDDEN_SHEET.search(archive.read("xl/workbook.xml")):
            found.add("hidden_sheets")
    return [name for name in (*_ODDITIES, "hidden_sheets") if name in found]


def _odd_in(texts: Iterator[bytes]) -> set[str]:
    sought = dict(_ODDITIES)
    for text in texts:
        for name in [name for name, pattern in sought.items() if pattern.search(text)]:
            del sought[name]
    return _ODDITIES.keys() - sought.keys()


def corrupt(file: str) -> UnreadableFile:
    """The refusal of a file that no workbook can be read from."""
    return UnreadableFile("file_corrupt", N_("%(file)s is damaged or not an Excel file"), file=file)


def _unpacks_too_far(archive: zipfile.ZipFile, packed: int) -> bool:
    unpacked = sum(entry.file_size for entry in archive.infolist())
    return unpacked > _MAX_UNPACKED or (unpacked > _RATIO_MATTERS and unpacked > _MAX_RATIO * packed)


def _fits(archive: zipfile.ZipFile) -> bool:
    sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
    return all(_cells(archive, name) <= _MAX_CELLS for name in sheets)


def _cells(archive: zipfile.ZipFile, sheet: str) -> int:
    columns: set[bytes] = set()
    rows = 0
    for text in _chunks(archive, sheet):
        columns.update(_COLUMN.findall(text))
        rows = max([rows, *map(int, _ROW.findall(text))])
    return rows * max(map(_column_number, columns), default=0)


def _chunks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The content in pieces that overlap, so that a reference on an edge is whole in one of them."""
    tail = b""
    with archive.open(name) as stream:
        while chunk := stream.read(_CHUNK):
            yield tail + chunk
            tail = chunk[-_OVERLAP:]


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
