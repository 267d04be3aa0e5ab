"""Inspection of the archive of an .xlsx file with an XML parser, before its contents are loaded."""

from __future__ import annotations

import io
import string
import zipfile
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from xml.parsers import expat

from refusal import Refused

_MAX_ENTRIES = 10_000
_MAX_UNPACKED = 2 << 30
_MAX_RATIO, _RATIO_MATTERS = 200, 64 << 20
#: characters of all cells in total, counting each use of a shared text
_MAX_TEXT = 256 << 20
_CHUNK = 1 << 20
_HEAD = 1 << 16
_DIGITS, _ALPHABET = string.digits, string.ascii_uppercase
_TRUE = ("1", "true")
#: parts of archives in other formats, and the names of these formats
_FOREIGN = {"content.xml": "OpenDocument (.ods)", "xl/workbook.bin": "Excel Binary Workbook (.xlsb)"}


@dataclass
class _Findings:
    """What is known so far about a workbook's parts."""

    cells: int
    shared: array[int] = field(default_factory=lambda: array("L"))
    text: int = 0
    odd: set[str] = field(default_factory=set)


def inspect_archive(file: BinaryIO, cells: int, oddities: set[str]) -> Iterator[list[Any]]:
    """Count cells and text of all sheets and yield messages about the progress.

    Adds ``formulas`` (without a stored result), ``hidden_columns`` and ``hidden_rows`` to ``oddities``.
    """
    with zipfile.ZipFile(file) as archive:
        _check_size(archive, file.seek(0, io.SEEK_END))
        parts = {entry: root_of(archive, entry) for entry in archive.infolist()}
        if "workbook" not in parts.values():
            raise _not_a_workbook(archive)
        findings = _Findings(cells)
        sheets = [entry for entry, root in parts.items() if root == "worksheet"]
        whole, done = sum(entry.file_size for entry in sheets) or 1, 0
        for entry in [entry for entry, root in parts.items() if root == "sst"]:
            _read_through(archive, entry, _SharedTexts(findings))
        for entry in sheets:
            for size in _pieces(archive, entry, _Sheet(findings)):
                done += size
                yield ["progress", done * 100 // whole]
        oddities |= findings.odd


def _not_a_workbook(archive: zipfile.ZipFile) -> Refused:
    kind = next((kind for name, kind in _FOREIGN.items() if name in archive.namelist()), None)
    return Refused("file_save_as", kind=kind) if kind else Refused("file_corrupt")


def _check_size(archive: zipfile.ZipFile, packed: int) -> None:
    unpacked = sum(entry.file_size for entry in archive.infolist())
    too_far = unpacked > _MAX_UNPACKED or (unpacked > _RATIO_MATTERS and unpacked > _MAX_RATIO * packed)
    if too_far or len(archive.infolist()) > _MAX_ENTRIES:
        raise Refused("file_too_big")


def root_of(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    """Return the name of a part's root element, empty for a part that is not XML."""
    roots: list[str] = []
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _no_doctype
    parser.StartElementHandler = lambda tag, _attributes: roots.append(_local(tag))
    with archive.open(entry) as stream, suppress(expat.ExpatError):
        parser.Parse(stream.read(_HEAD))
    return roots[0] if roots else ""


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


def _read_through(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, reader: _Reader) -> None:
    for _size in _pieces(archive, entry, reader):
        pass


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, reader: _Reader) -> Iterator[int]:
    """Parse a part in chunks and yield the size of each."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.CharacterDataHandler = reader.start, reader.text
    parser.StartDoctypeDeclHandler = _no_doctype
    with archive.open(entry) as stream:
        while piece := stream.read(_CHUNK):
            parser.Parse(piece)
            reader.check()
            yield len(piece)
    parser.Parse(b"", True)
    reader.close()


def _no_doctype(*_declared: Any) -> None:
    """Refuse a document type, which no spreadsheet program writes and which could define entities."""
    raise Refused("file_corrupt")


class _Reader:
    """Handles the elements and the text of one part."""

    def __init__(self, findings: _Findings) -> None:
        self._findings = findings
        self._names = _LocalNames()
        self._open = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Handle the start of an element."""
        self._open = self._names[tag]

    def text(self, data: str) -> None:
        """Handle text inside the element that was opened last, or after it."""

    def check(self) -> None:
        """Raise Refused when a limit is exceeded."""

    def close(self) -> None:
        """Handle the end of the part. Raises as ``check`` does."""


class _LocalNames(dict[str, str]):
    """A cache of tag names without their prefix."""

    def __missing__(self, tag: str) -> str:
        return self.setdefault(tag, _local(tag))


class _SharedTexts(_Reader):
    """Records the length of each shared text."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Handle the start of an element; a new text begins with ``si``."""
        super().start(tag, attributes)
        if self._open == "si":
            self._findings.shared.append(0)

    def text(self, data: str) -> None:
        """Count the characters of the current text."""
        if self._open == "t":
            self._findings.shared[-1] += len(data)


class _Sheet(_Reader):
    """Measures the rectangle around the non-empty cells, and their text.

    Cells are collected and evaluated once for each chunk, which takes half the time.
    """

    def __init__(self, findings: _Findings) -> None:
        super().__init__(findings)
        self._columns = set[str]()
        self._row = self._last_row = self._last_column = self._text = 0
        self._place, self._places = "0", list[str]()
        self._numbers = list[str]()
        self._shared = self._formula = self._filled = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Handle a cell, or an element in it or around it."""
        name = self._open = self._names[tag]
        if name == "c":
            if self._formula:
                self._end_formula()
            self._filled = False
            self._place = attributes.get("r") or self._next()
            self._shared = attributes.get("t") == "s"
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._begin_row(attributes)
        elif name == "col" and attributes.get("hidden") in _TRUE:
            self._findings.odd.add("hidden_columns")

    def text(self, data: str) -> None:
        """Handle the text of a cell, or a part of a long one."""
        if self._open != "v" and self._open != "t":
            return
        if not self._shared:
            self._text += len(data)
        elif self._filled:
            self._numbers[-1] += data
        else:
            self._numbers.append(data)
        if not self._filled:
            self._filled = True
            self._places.append(self._place)

    def check(self) -> None:
        """Raise Refused when the sheet is too large or has too much text.

        Raises LookupError or ValueError for a cell with an impossible position or text.
        """
        places = " ".join(self._places).encode("ascii")
        self._places.clear()
        rows = set(places.translate(None, string.ascii_letters.encode()).split())
        self._last_row = max(self._last_row, *map(int, rows), 0)
        columns = set(places.translate(None, _DIGITS.encode()).decode().split()) - self._columns
        self._columns |= columns
        self._last_column = max(self._last_column, *map(_number, columns), 0)
        if self._last_row * self._last_column > self._findings.cells:
            raise Refused("file_far_cell", cell=f"{_letters(self._last_column)}{self._last_row}")
        # The number of the last shared text may continue in the next chunk.
        self._add_text(self._numbers[:-1])
        del self._numbers[:-1]

    def close(self) -> None:
        """Handle the end of the part. Raises as ``check`` does."""
        self._end_formula()
        self.check()
        self._add_text(self._numbers)

    def _add_text(self, numbers: list[str]) -> None:
        self._findings.text += self._text + sum(map(self._findings.shared.__getitem__, map(int, numbers)))
        self._text = 0
        if self._findings.text > _MAX_TEXT:
            raise Refused("file_too_big")

    def _end_formula(self) -> None:
        if self._formula and not self._filled:
            self._findings.odd.add("formulas")
        self._formula = False

    def _begin_row(self, attributes: dict[str, str]) -> None:
        self._row = int(attributes.get("r") or self._row + 1)
        self._place = str(self._row)
        if attributes.get("hidden") in _TRUE:
            self._findings.odd.add("hidden_rows")

    def _next(self) -> str:
        """Return the position of a cell without one: next to the previous cell."""
        letters = self._place.rstrip(_DIGITS)
        return f"{_letters(_number(letters) + 1)}{self._place[len(letters) :]}"


def _number(letters: str) -> int:
    """Return the number of a column. Raises ValueError for other characters than A to Z."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + _ALPHABET.index(letter) + 1
    return number


def _letters(number: int) -> str:
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
