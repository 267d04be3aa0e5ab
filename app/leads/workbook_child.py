"""Read a workbook in a process of its own: the only code that parses .xlsx and .xls files.

Run as a script by ``app.leads.workbook``; imports nothing of the product, so that it starts at once.
The file is standard input; standard output gets one JSON array a line: ``["progress", percent]``,
``["sheet", rows, [oddity, …]]``, ``["rows", [[number, [cell, …]], …]]``, and at the end ``["end"]`` or
``["refused", code, {values}]``. It may die at any moment of its limits; its parent says so.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import resource
import sys
import warnings
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from posixpath import normpath
from typing import Any, BinaryIO
from xml.etree import ElementTree
from xml.parsers import expat

import orjson
import python_calamine as calamine

_ZIP = b"PK\x03\x04"
_MOST_ENTRIES = 10_000
_MOST_UNPACKED = 2 << 30
_MOST_RATIO, _RATIO_MATTERS = 200, 64 << 20
#: characters of all cells together, each use of a shared text counted
_MOST_TEXT = 256 << 20
_MOST_ROW_TEXT = 1 << 20
_CHUNK = 1 << 20
_HEAD = 1 << 16
_DIGITS = "0123456789"
_EXACT_DIGITS = 10**15
_BATCH_ROWS, _BATCH_TEXT = 500, 256 << 10
_MOST_XLS_LOOKED_AT = 64 << 20
_RELATIONS = ("_rels/workbook.xml.rels", "_rels/.rels")
_ODDITIES = ("merged_header", "merged_rows", "formulas", "hidden_columns", "hidden_rows", "hidden_sheets")
_VISIBLE = calamine.SheetVisibleEnum.Visible
#: what other archives have, and what they are then
_FOREIGN = {"content.xml": "OpenDocument (.ods)", "xl/workbook.bin": "Excel Binary Workbook (.xlsb)"}
_TRUE = ("1", "true")
_ERROR_CELL = re.compile(rb"""(<(?:\w+:)?c\s[^<>]*?\bt=)(?:"e"|'e')""")
_DAMAGE = (
    *(calamine.CalamineError, zipfile.BadZipFile, zlib.error, expat.ExpatError, ElementTree.ParseError),
    *(EOFError, ValueError, LookupError, NotImplementedError, RuntimeError, OSError),
)

#: texts by row number and position
_Errors = dict[tuple[int, int], str]


class Refused(Exception):
    """The file is none that can be read; ``code`` and ``values`` say why."""

    def __init__(self, code: str, **values: Any) -> None:
        self.code, self.values = code, values
        super().__init__(code)


def main(memory_mb: int, seconds: int, cells: int, looked_over: bool) -> None:
    """Read standard input within the limits and write what it holds."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    for each in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(each, (0, 0))
    with open(0, "rb", closefd=False) as file:
        try:
            for message in _messages(file, cells, looked_over):
                _send(message)
            _send(["end"])
        except Refused as error:
            _send(["refused", error.code, error.values])
        except MemoryError:
            _send(["refused", "file_memory", {}])


def _send(message: list[Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


def _messages(file: BinaryIO, cells: int, looked_over: bool) -> Iterator[list[Any]]:
    try:
        found: set[str] = set()
        zipped = file.read(4) == _ZIP
        if zipped and not looked_over:
            yield from _look_over(file, cells, found)
        shown = [] if zipped else _shown_in_xls(file)
        found |= _hidden_in_xls(shown)
        yield from _contents(_mended(file) if zipped else _rewound(file), found, _errors_in_xls(shown))
    except calamine.PasswordError:
        raise Refused("file_password") from None
    except _DAMAGE:
        raise Refused("file_corrupt") from None


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


# What is in the archive, before anything is built of it ------------------------------------------------


@dataclass
class _Look:
    """What is known of a workbook's parts so far."""

    cells: int
    shared: array[int] = field(default_factory=lambda: array("L"))
    text: int = 0
    odd: set[str] = field(default_factory=set)


def _look_over(file: BinaryIO, cells: int, found: set[str]) -> Iterator[list[Any]]:
    """Count cells and text of all sheets, wherever they lie; says how far it is.

    Adds ``formulas`` (without a stored result), ``hidden_columns`` and ``hidden_rows`` to ``found``.
    """
    with zipfile.ZipFile(file) as archive:
        _check_size(archive, file.seek(0, io.SEEK_END))
        parts = {entry: _root(archive, entry) for entry in archive.infolist()}
        if "workbook" not in parts.values():
            raise _no_workbook(archive)
        look = _Look(cells)
        sheets = [entry for entry, root in parts.items() if root == "worksheet"]
        whole, done = sum(entry.file_size for entry in sheets) or 1, 0
        for entry in [entry for entry, root in parts.items() if root == "sst"]:
            _read_through(archive, entry, _SharedTexts(look))
        for entry in sheets:
            for size in _pieces(archive, entry, _Sheet(look)):
                done += size
                yield ["progress", done * 100 // whole]
        found |= look.odd


def _no_workbook(archive: zipfile.ZipFile) -> Refused:
    kind = next((kind for name, kind in _FOREIGN.items() if name in archive.namelist()), None)
    return Refused("file_save_as", kind=kind) if kind else Refused("file_corrupt")


def _check_size(archive: zipfile.ZipFile, packed: int) -> None:
    unpacked = sum(entry.file_size for entry in archive.infolist())
    too_far = unpacked > _MOST_UNPACKED or (unpacked > _RATIO_MATTERS and unpacked > _MOST_RATIO * packed)
    if too_far or len(archive.infolist()) > _MOST_ENTRIES:
        raise Refused("file_too_big")


def _root(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    """The name of the root element of a part, empty for a part that is no XML."""
    found: list[str] = []
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _no_doctype
    parser.StartElementHandler = lambda tag, _attributes: found.append(_local(tag))
    with archive.open(entry) as stream, suppress(expat.ExpatError):
        parser.Parse(stream.read(_HEAD))
    return found[0] if found else ""


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


def _read_through(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, reader: _Reader) -> None:
    for _size in _pieces(archive, entry, reader):
        pass


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, reader: _Reader) -> Iterator[int]:
    """Parse a part piece by piece and give the size of each."""
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
    reader.check()


def _no_doctype(*_declared: Any) -> None:
    """No spreadsheet program writes one; entities are what it would be for."""
    raise Refused("file_corrupt")


class _Reader:
    """Takes the elements and the text of one part."""

    def __init__(self, look: _Look) -> None:
        self._look = look
        self._names: dict[str, str] = {}
        self._open = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take the start of an element."""
        self._open = self._names.get(tag) or self._names.setdefault(tag, _local(tag))

    def text(self, data: str) -> None:
        """Take text inside the element that was opened last, or after it."""

    def close(self) -> None:
        """Take the end of the part."""

    def check(self) -> None:
        """Raise Refused when there was too much."""


class _SharedTexts(_Reader):
    """Notes the length of each shared text."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin a text."""
        super().start(tag, attributes)
        if self._open == "si":
            self._look.shared.append(0)

    def text(self, data: str) -> None:
        """Count."""
        if self._open == "t":
            self._look.shared[-1] += len(data)


class _Sheet(_Reader):
    """Counts the rectangle around the cells that hold something, and their text."""

    def __init__(self, look: _Look) -> None:
        super().__init__(look)
        self._columns: dict[str, int] = {}
        self._row = self._column = self._last_row = 0
        self._digits = self._at = self._number = ""
        self._shared = self._formula = self._filled = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take a cell, or what is in it or around it."""
        name = self._open = self._names.get(tag) or self._names.setdefault(tag, _local(tag))
        if name == "c":
            self.close()
            self._at = attributes.get("r") or self._next()
            self._shared = attributes.get("t") == "s"
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._begin_row(attributes)
        elif name == "col" and attributes.get("hidden") in _TRUE:
            self._look.odd.add("hidden_columns")

    def text(self, data: str) -> None:
        """Take the text of a cell; a piece of it where it is long."""
        if self._open == "v" or self._open == "t":
            self._filled = True
            if self._shared:
                self._number += data
            else:
                self._look.text += len(data)

    def close(self) -> None:
        """End the cell before. Raises LookupError or ValueError for one of an impossible place or text."""
        if self._filled:
            self._filled = False
            letters = self._at.rstrip(_DIGITS)
            digits = self._at[len(letters) :]
            if letters not in self._columns:
                self._columns[letters] = _number(letters)
            if digits != self._digits:
                self._digits, self._last_row = digits, max(self._last_row, int(digits))
            if self._shared:
                self._look.text += self._look.shared[int(self._number)]
                self._number = ""
        elif self._formula:
            self._look.odd.add("formulas")
        self._formula = False

    def check(self) -> None:
        """Raise Refused when the cells reach too far or all text is too much."""
        last_column = max(self._columns.values(), default=0)
        if self._last_row * last_column > self._look.cells:
            raise Refused("file_far_cell", cell=f"{_letters(last_column)}{self._last_row}")
        if self._look.text > _MOST_TEXT:
            raise Refused("file_too_big")

    def _begin_row(self, attributes: dict[str, str]) -> None:
        self.close()
        self._row = int(attributes.get("r") or self._row + 1)
        self._column = 0
        if attributes.get("hidden") in _TRUE:
            self._look.odd.add("hidden_rows")

    def _next(self) -> str:
        """The place of a cell that doesn't say it."""
        self._column += 1
        return f"{_letters(self._column)}{self._row}"


def _number(letters: str) -> int:
    """The number of a column. Raises ValueError for anything but letters A to Z."""
    number = 0
    for letter in letters.upper():
        if not "A" <= letter <= "Z":
            raise ValueError(letters)
        number = number * 26 + ord(letter) - 64
    return number


def _letters(number: int) -> str:
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _shown_in_xls(file: BinaryIO) -> list[Any]:
    """The visible sheets of an .xls file as xlrd sees them; none of one too large or odd to be looked at."""
    import xlrd

    if file.seek(0, io.SEEK_END) > _MOST_XLS_LOOKED_AT:
        return []
    content = _rewound(file).read()
    try:
        with xlrd.open_workbook(file_contents=content, formatting_info=True, logfile=io.StringIO()) as book:
            return [sheet for sheet in book.sheets() if sheet.visibility == 0]
    except Exception as error:  # noqa: BLE001 - xlrd raises whatever a damaged record leads it to
        if isinstance(error, xlrd.XLRDError) and "encrypted" in str(error):
            raise Refused("file_password") from None
        return []


def _hidden_in_xls(shown: list[Any]) -> set[str]:
    columns = any(info.hidden for sheet in shown for info in sheet.colinfo_map.values())
    rows = any(info.hidden for sheet in shown for info in sheet.rowinfo_map.values())
    return ({"hidden_columns"} if columns else set()) | ({"hidden_rows"} if rows else set())


def _errors_in_xls(shown: list[Any]) -> _Errors:
    """What failed formulas show; calamine gives nothing for them."""
    from xlrd import XL_CELL_ERROR, error_text_from_code

    return {
        (row + 1, column): error_text_from_code.get(sheet.cell_value(row, column), "#N/A")
        for sheet in shown
        for row in range(sheet.nrows)
        for column, kind in enumerate(sheet.row_types(row))
        if kind == XL_CELL_ERROR
    }


# What it says ------------------------------------------------------------------------------------------


def _mended(file: BinaryIO) -> BinaryIO:
    """The workbook as calamine reads it right.

    It takes paths to sheets literally that programs resolve, and gives nothing for a failed formula: its
    ``#N/A`` becomes a text.
    """
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(_RELATIONS)]
        parts = {name: ElementTree.fromstring(archive.read(name)) for name in names}  # noqa: S314 - looked over
        changed = {name: root for name, root in parts.items() if sum(_plain(each, name) for each in root)}
        failed = [entry for entry in archive.infolist() if _has_errors(archive, entry)]
        if not changed and not failed:
            return _rewound(file)
        copy = io.BytesIO(_rewound(file).read())
        mended = zipfile.ZipFile(copy, "a", zipfile.ZIP_DEFLATED, compresslevel=1)
        with mended, warnings.catch_warnings(action="ignore"):
            for name, root in changed.items():
                mended.writestr(name, ElementTree.tostring(root))
            for entry in failed:
                with mended.open(entry.filename, "w", force_zip64=True) as target:
                    target.writelines(
                        _ERROR_CELL.sub(rb'\1"str"', each) for each in _whole_elements(archive, entry)
                    )
    return _rewound(copy)


def _has_errors(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Whether a part is a sheet with the result of a failed formula."""
    is_sheet = entry.filename.endswith(".xml") and _root(archive, entry) == "worksheet"
    return is_sheet and any(
        mark in piece for piece in _whole_elements(archive, entry) for mark in (b't="e"', b"t='e'")
    )


def _whole_elements(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """A part in pieces that end before an element."""
    rest = b""
    with archive.open(entry) as stream:
        while piece := stream.read(_CHUNK):
            whole, opening, tail = (rest + piece).rpartition(b"<")
            rest = opening + tail
            yield whole
    yield rest


def _plain(relation: ElementTree.Element, part: str) -> bool:
    """Make the target of a relation an absolute path; whether it had to be."""
    target = relation.get("Target", "")
    if relation.get("TargetMode") == "External" or not ("\\" in target or "./" in target):
        return False
    home = part.rpartition("_rels/")[0]
    path = target.replace("\\", "/")
    relation.set("Target", normpath(path if path.startswith("/") else f"/{home}{path}"))
    return True


def _contents(stream: BinaryIO, found: set[str], errors: _Errors) -> Iterator[list[Any]]:
    book = calamine.load_workbook(stream)
    if any(sheet.visible != _VISIBLE for sheet in book.sheets_metadata):
        found.add("hidden_sheets")
    sheet = _only_sheet(book)
    merged = sheet.merged_cell_ranges or []
    found |= {"merged_header" for (top, _left), _end in merged if top == 0}
    found |= {"merged_rows" for _start, (bottom, _right) in merged if bottom > 0}
    yield ["sheet", sheet.end[0] + 1 if sheet.end else 1, [name for name in _ODDITIES if name in found]]
    yield from _batches(_filled(_texts(sheet, errors), merged))


def _only_sheet(book: calamine.CalamineWorkbook) -> calamine.CalamineSheet:
    filled = []
    for position, sheet in enumerate(book.sheets_metadata):
        if (
            sheet.typ == calamine.SheetTypeEnum.WorkSheet
            and sheet.visible == calamine.SheetVisibleEnum.Visible
        ):
            loaded = book.get_sheet_by_index(position)
            if loaded.height:
                filled.append(loaded)
        if len(filled) > 1:
            raise Refused("file_sheets")
    if not filled:
        raise Refused("file_empty")
    return filled[0]


def _texts(sheet: calamine.CalamineSheet, errors: _Errors) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold something, each with its number."""
    for number, cells in enumerate(sheet.iter_rows(), 1):
        texts = [cell if isinstance(cell, str) else _cell_text(cell) for cell in cells]
        if errors:
            texts = [text or errors.get((number, at), "") for at, text in enumerate(texts)]
        if any(map(str.strip, texts)):
            yield number, texts


def _cell_text(cell: object) -> str:
    """A typed cell as its user sees it; a number too long for Excel as 5.10104199508024E+17."""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, dt.timedelta):
        minutes, seconds = divmod(int(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    if not isinstance(cell, int | float):
        return str(cell)
    if abs(cell) >= _EXACT_DIGITS:
        return f"{cell:.14E}"
    return str(int(cell)) if cell == int(cell) else str(cell)


_Range = tuple[tuple[int, int], tuple[int, int]]


def _filled(rows: Iterator[tuple[int, list[str]]], merged: list[_Range]) -> Iterator[tuple[int, list[str]]]:
    """Give every row of a merged cell its value; the first row, which names the columns, stays as it is."""
    waiting = sorted((each for each in merged if each[1][0] > each[0][0]), reverse=True)
    if not waiting:
        yield from rows
        return
    header = next(rows, None)
    if header is None:
        return
    yield header
    reaching: dict[int, tuple[int, str]] = {}
    for number, cells in rows:
        while waiting and waiting[-1][0][0] < number:
            (top, left), (bottom, _right) = waiting.pop()
            if top >= header[0] and top == number - 1 and left < len(cells):
                reaching[left] = (bottom, cells[left])
        for left, (bottom, value) in list(reaching.items()):
            if number - 1 > bottom:
                del reaching[left]
            else:
                cells[left] = value
        yield number, cells


def _batches(rows: Iterator[tuple[int, list[str]]]) -> Iterator[list[Any]]:
    batch: list[tuple[int, list[str]]] = []
    size = 0
    for number, cells in rows:
        length = sum(map(len, cells)) + len(cells)
        if length > _MOST_ROW_TEXT:
            raise Refused("file_long_row", row=number)
        batch.append((number, cells))
        size += length
        if len(batch) == _BATCH_ROWS or size > _BATCH_TEXT:
            yield ["rows", batch]
            batch, size = [], 0
    yield ["rows", batch]


if __name__ == "__main__":
    _memory, _seconds, _cells, _looked_over = map(int, sys.argv[1:])
    main(_memory, _seconds, _cells, bool(_looked_over))
