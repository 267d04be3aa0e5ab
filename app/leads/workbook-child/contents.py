"""The contents of a workbook: its only sheet with data, row by row."""

from __future__ import annotations

import datetime as dt
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from posixpath import normpath
from typing import Any, BinaryIO
from xml.etree import ElementTree

import python_calamine as calamine
from inspection import root_of
from old_format import Errors
from refusal import Refused

_MAX_ROW_TEXT = 1 << 20
_CHUNK = 1 << 20
_EXACT_DIGITS = 10**15
_BATCH_ROWS, _BATCH_TEXT = 500, 256 << 10
_RELATIONS = ("_rels/workbook.xml.rels", "_rels/.rels")
_ODDITIES = ("merged_header", "merged_rows", "formulas", "hidden_columns", "hidden_rows", "hidden_sheets")
_VISIBLE = calamine.SheetVisibleEnum.Visible
_ERROR_CELL = re.compile(rb"""(<(?:\w+:)?c\s[^<>]*?\bt=)(?:"e"|'e')""")


def rewind(file: BinaryIO) -> BinaryIO:
    """Seek to the start of a file and return it."""
    file.seek(0)
    return file


def repaired(file: BinaryIO) -> BinaryIO:
    """Return the workbook in a form that calamine reads correctly.

    Calamine doesn't resolve relative paths to sheets, and gives no value for a failed formula. Paths become
    absolute, and ``#N/A`` becomes a text.
    """
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(_RELATIONS)]
        parts = {name: ElementTree.fromstring(archive.read(name)) for name in names}  # noqa: S314 - inspected
        changed = {
            name: root for name, root in parts.items() if sum(_make_absolute(each, name) for each in root)
        }
        failed = [entry for entry in archive.infolist() if _has_errors(archive, entry)]
        if not changed and not failed:
            return rewind(file)
        copy = io.BytesIO(rewind(file).read())
        target_archive = zipfile.ZipFile(copy, "a", zipfile.ZIP_DEFLATED, compresslevel=1)
        with target_archive, warnings.catch_warnings(action="ignore"):
            for name, root in changed.items():
                target_archive.writestr(name, ElementTree.tostring(root))
            for entry in failed:
                with target_archive.open(entry.filename, "w", force_zip64=True) as target:
                    target.writelines(
                        _ERROR_CELL.sub(rb'\1"str"', each) for each in _whole_elements(archive, entry)
                    )
    return rewind(copy)


def _has_errors(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Return whether a part is a sheet with the result of a failed formula."""
    is_sheet = entry.filename.endswith(".xml") and root_of(archive, entry) == "worksheet"
    return is_sheet and any(
        mark in piece for piece in _whole_elements(archive, entry) for mark in (b't="e"', b"t='e'")
    )


def _whole_elements(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a part in chunks that end before an element."""
    rest = b""
    with archive.open(entry) as stream:
        while piece := stream.read(_CHUNK):
            whole, opening, tail = (rest + piece).rpartition(b"<")
            rest = opening + tail
            yield whole
    yield rest


def _make_absolute(relation: ElementTree.Element, part: str) -> bool:
    """Make the target of a relation an absolute path. Return whether it was changed."""
    target = relation.get("Target", "")
    if relation.get("TargetMode") == "External" or not ("\\" in target or "./" in target):
        return False
    home = part.rpartition("_rels/")[0]
    path = target.replace("\\", "/")
    relation.set("Target", normpath(path if path.startswith("/") else f"/{home}{path}"))
    return True


def contents(stream: BinaryIO, oddities: set[str], errors: Errors) -> Iterator[list[Any]]:
    """Yield the messages about the sheet and its rows; ``oddities`` has earlier ones. Raises Refused."""
    book = calamine.load_workbook(stream)
    if any(sheet.visible != _VISIBLE for sheet in book.sheets_metadata):
        oddities.add("hidden_sheets")
    sheet = _only_sheet(book)
    merged = sheet.merged_cell_ranges or []
    oddities |= {"merged_header" for (top, _left), _end in merged if top == 0}
    oddities |= {"merged_rows" for _start, (bottom, _right) in merged if bottom > 0}
    yield ["sheet", sheet.end[0] + 1 if sheet.end else 1, [name for name in _ODDITIES if name in oddities]]
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


def _texts(sheet: calamine.CalamineSheet, errors: Errors) -> Iterator[tuple[int, list[str]]]:
    """Yield the non-empty rows with their numbers."""
    for number, cells in enumerate(sheet.iter_rows(), 1):
        texts = [cell if isinstance(cell, str) else _cell_text(cell) for cell in cells]
        if errors:
            texts = [text or errors.get((number, at), "") for at, text in enumerate(texts)]
        if any(map(str.strip, texts)):
            yield number, texts


def _cell_text(cell: object) -> str:
    """Return the text of a typed cell as Excel shows it; a number too long for it as 5.10104199508024E+17."""
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
    """Give every row of a merged cell its value, except the header row."""
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
        if length > _MAX_ROW_TEXT:
            raise Refused("file_long_row", row=number)
        batch.append((number, cells))
        size += length
        if len(batch) == _BATCH_ROWS or size > _BATCH_TEXT:
            yield ["rows", batch]
            batch, size = [], 0
    yield ["rows", batch]
