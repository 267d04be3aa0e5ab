"""Looks over an .xlsx file before it is opened: a small one may unpack to more memory than there is."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.errors import N_
from app.leads.errors import UnreadableFile

Percent = Callable[[int], None]
"""Called with how much of a look is done, 0 to 100. May raise to cancel."""

_MAX_UNPACKED = 2 << 30
_MAX_RATIO = 200
_RATIO_MATTERS = 64 << 20
_SMALL = 16 << 20
# The reader keeps every cell of the rectangle around the used ones, at some 30 bytes each.
_MAX_CELLS = 50_000_000
_CHUNK = 1 << 20
_OVERLAP = 64
_COLUMN = re.compile(rb'\sr="([A-Z]{1,3})[0-9]')
_ROW = re.compile(rb'<(?:\w+:)?row\s[^>]*?\br="([0-9]{1,9})"')
#: what may be odd: texts of which one must stand in a piece of the sheet before the pattern is worth a search
_ODDITIES: dict[str, tuple[tuple[bytes, ...], re.Pattern[bytes]]] = {
    "merged_header": (
        (b"mergeCell",),
        re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="[A-Z]+1:[A-Z]+[0-9]+"'),
    ),
    "merged_rows": (
        (b"mergeCell",),
        re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="[A-Z]+[0-9]+:[A-Z]+(?!1")[0-9]+"'),
    ),
    "formulas": (
        (b"<f", b"/f>", b":f"),
        re.compile(rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\s[^>]*/>)\s*(?:<(?:\w+:)?v\s*/>|<v></v>|</(?:\w+:)?c>)"),
    ),
    "hidden_columns": (
        (b"hidden=",),
        re.compile(rb'<(?:\w+:)?col\s[^>]*?\bhidden="(?:1|true)"'),
    ),
    "hidden_rows": (
        (b"hidden=",),
        re.compile(rb'<(?:\w+:)?row\s[^>]*?\bhidden="(?:1|true)"'),
    ),
}
_HIDDEN_SHEET = re.compile(rb'<(?:\w+:)?sheet\s[^>]*?\bstate="(?:hidden|veryHidden)"')
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError)


def check_workbook(path: Path, file: str, progress: Percent = lambda done: None) -> list[str]:
    """What an .xlsx file has that its reader can't see or a person may not expect.

    Some of ``merged_header``, ``merged_rows``, ``formulas`` (without a stored result), ``hidden_columns``,
    ``hidden_rows``, ``hidden_sheets``. Raises UnreadableFile unless ``path`` is a workbook of a size that a
    lead list can have.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                raise corrupt(file)
            if _unpacks_too_far(archive, path.stat().st_size):
                raise _too_big(file)
            return _looked_over(archive, file, progress)
    except _DAMAGE:
        raise corrupt(file) from None


def is_small(path: Path, cells: int) -> bool:
    """Whether an .xlsx file is opened in an instant: it has at most so many ``cells`` and hardly unpacks."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _SMALL:
                return False
            return all(_read(archive, name).cells <= cells for name in _sheets(archive))
    except _DAMAGE:
        # Who opens it finds out at once.
        return True


def _looked_over(archive: zipfile.ZipFile, file: str, progress: Percent) -> list[str]:
    sheets = _sheets(archive)
    whole = sum(archive.getinfo(name).file_size for name in sheets) or 1
    found: set[str] = set()
    before = 0
    for name in sheets:
        read = _read(archive, name, partial(_share, progress, before, whole))
        if read.cells > _MAX_CELLS:
            raise _too_big(file)
        found |= read.odd
        before += archive.getinfo(name).file_size
    if _HIDDEN_SHEET.search(archive.read("xl/workbook.xml")):
        found.add("hidden_sheets")
    return [name for name in (*_ODDITIES, "hidden_sheets") if name in found]


def _share(progress: Percent, before: int, whole: int, done: int) -> None:
    progress((before + done) * 100 // whole)


def _sheets(archive: zipfile.ZipFile) -> list[str]:
    return [
        name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")
    ]


@dataclass(frozen=True)
class _Sheet:
    """The cells of the rectangle around the used ones, and what is odd."""

    cells: int
    odd: set[str]


def _read(archive: zipfile.ZipFile, name: str, progress: Percent = lambda done: None) -> _Sheet:
    """Go once through a sheet; ``progress`` hears of the bytes done."""
    columns: set[bytes] = set()
    rows = done = 0
    sought = dict(_ODDITIES)
    for text in _chunks(archive, name):
        columns.update(_COLUMN.findall(text))
        rows = max([rows, *map(int, _ROW.findall(text))])
        for odd, (needles, pattern) in list(sought.items()):
            if any(needle in text for needle in needles) and pattern.search(text):
                del sought[odd]
        done += len(text)
        progress(done)
    return _Sheet(rows * max(map(_column_number, columns), default=0), set(_ODDITIES) - set(sought))


def corrupt(file: str) -> UnreadableFile:
    """The refusal of a file that no workbook can be read from."""
    return UnreadableFile("file_corrupt", N_("%(file)s is damaged or not an Excel file"), file=file)


def _too_big(file: str) -> UnreadableFile:
    return UnreadableFile("file_too_big", N_("%(file)s unpacks to far more than a lead list"), file=file)


def _unpacks_too_far(archive: zipfile.ZipFile, packed: int) -> bool:
    unpacked = sum(entry.file_size for entry in archive.infolist())
    return unpacked > _MAX_UNPACKED or (unpacked > _RATIO_MATTERS and unpacked > _MAX_RATIO * packed)


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
