"""Lead files of any kind as rows of text: Excel, or CSV in UTF-8, UTF-16 or GB18030.

What a file is follows from its content; a name that says otherwise is refused.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
    load_workbook,
)

from app.errors import N_
from app.leads import old_workbook
from app.leads.columns import find_columns, recognised
from app.leads.errors import UnreadableFile
from app.leads.workbook import Percent, check_workbook, corrupt

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_KINDS = {".xlsx": "xlsx", ".xlsm": "xlsx", ".xls": "xls", ".csv": "text", ".txt": "text", ".tsv": "text"}
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_CHUNK = 1 << 20
_EXACT_DIGITS = 10**15
_SEPARATORS = ",;\t"
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])", re.IGNORECASE)

FindColumns = Callable[[Sequence[str], str], dict[str, int]]


@dataclass(frozen=True)
class LeadFile:
    """An opened lead file.

    ``columns`` maps fields to positions in ``header``; ``rows`` yields each non-empty data row once with
    its row number as a spreadsheet shows it; ``total`` is about how many there are.
    """

    header: list[str]
    columns: dict[str, int]
    rows: Iterator[tuple[int, list[str]]]
    total: int


def open_lead_file(
    path: Path, file: str, find: FindColumns = find_columns, *, looked_over: bool = False
) -> LeadFile:
    """Open ``path``; ``file`` is its name as the user knows it. Raises UnreadableFile, also while reading.

    ``find`` gives the columns of the header, as ``find_columns`` does for a lead list. ``looked_over`` says
    that ``look_over`` found nothing against it.
    """
    try:
        kind = kind_of(path, file)
        if kind == "xlsx" and not looked_over:
            check_workbook(path, file)
        rows, total = _text_rows(path, file) if kind == "text" else _excel_rows(path, file)
    except OSError:
        raise UnreadableFile("file_unreadable", N_("%(file)s can't be opened"), file=file) from None
    header = next(rows, None)
    if header is None:
        raise _empty(file)
    columns = find(header[1], file)
    rest = next(rows, None)
    if rest is None:
        raise UnreadableFile("file_no_rows", N_("%(file)s has a header but no rows"), file=file)
    return LeadFile(header[1], columns, chain([rest], rows), max(total - header[0], 1))


def _empty(file: str) -> UnreadableFile:
    return UnreadableFile("file_empty", N_("%(file)s is empty"), file=file)


def look_over(path: Path, file: str, progress: Percent = lambda done: None) -> list[str]:
    """What may be wrong with a workbook, as ``check_workbook`` says. UnreadableFile when it is refused."""
    try:
        kind = kind_of(path, file)
        if kind == "xlsx":
            return check_workbook(path, file, progress)
        return old_workbook.oddities(path, file) if kind == "xls" else []
    except OSError:
        raise UnreadableFile("file_unreadable", N_("%(file)s can't be opened"), file=file) from None


def kind_of(path: Path, file: str) -> str:
    """``xlsx``, ``xls`` or ``text``, by content. Raises UnreadableFile when the name says otherwise."""
    with path.open("rb") as stream:
        head = stream.read(8)
    if not head:
        raise _empty(file)
    kind = "xlsx" if head.startswith(_ZIP) else "xls" if head == _OLE else "text"
    if kind == "xls" and _contains(path, _ENCRYPTED):
        raise _protected(file)
    claimed = _KINDS.get(Path(file).suffix.lower(), kind)
    if claimed != kind:
        raise UnreadableFile(
            "file_type",
            N_("%(file)s is not what its name says: its content is %(kind)s"),
            file=file,
            kind=kind,
        )
    return kind


def _contains(path: Path, needle: bytes) -> bool:
    tail = b""
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if needle in tail + chunk:
                return True
            tail = chunk[-len(needle) :]
    return False


def _protected(file: str) -> UnreadableFile:
    return UnreadableFile(
        "file_password", N_("%(file)s is protected with a password; save it without one"), file=file
    )


def _text_rows(path: Path, file: str) -> tuple[Iterator[tuple[int, list[str]]], int]:
    encoding, lines = _encoding(path, file)
    first = _first_line(path, encoding)
    declared = _SEPARATOR_LINE.fullmatch(first)
    rows = _records(path, file, encoding, declared[1] if declared else _separator(first))
    if declared:
        next(rows)
    return rows, lines


def _encoding(path: Path, file: str) -> tuple[str, int]:
    """The encoding the whole file is valid in, and its number of lines."""
    with path.open("rb") as stream:
        head = stream.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates: tuple[str, ...] = ("utf-16",)
    else:
        candidates = ("utf-8-sig", "gb18030")
    for encoding in candidates:
        lines = _lines_if_valid(path, encoding)
        if lines is not None:
            return encoding, lines
    raise UnreadableFile(
        "file_encoding", N_("%(file)s is neither an Excel file nor text in UTF-8 or GB18030"), file=file
    )


def _lines_if_valid(path: Path, encoding: str) -> int | None:
    decoder = codecs.getincrementaldecoder(encoding)()
    lines, last = 0, "\n"
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                text = decoder.decode(chunk)
                if "\0" in text:
                    return None
                lines += text.count("\n")
                last = text[-1:] or last
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    return lines + (last != "\n")


def _first_line(path: Path, encoding: str) -> str:
    """The first line that is not blank."""
    with path.open(encoding=encoding, newline="") as stream:
        return next((line.strip(" \r\n") for line in stream if line.strip()), "")


def _separator(line: str) -> str:
    """The separator with which the first line has the most known column names, or else the most cells."""

    def fit(separator: str) -> tuple[int, int]:
        cells = next(csv.reader([line], delimiter=separator), [])
        return recognised(cells), len(cells)

    return max(_SEPARATORS, key=fit)


def _records(path: Path, file: str, encoding: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding=encoding, newline="") as stream:
        reader = csv.reader(stream, delimiter=separator, strict=True)
        number = 0
        try:
            for number, cells in enumerate(reader, 1):
                if any(map(str.strip, cells)):
                    yield number, [_unescaped(cell) for cell in cells]
        except csv.Error:
            raise UnreadableFile(
                "file_quotes",
                N_("%(file)s: the quotation marks of row %(row)s do not match"),
                file=file,
                row=number + 1,
            ) from None


def _excel_rows(path: Path, file: str) -> tuple[Iterator[tuple[int, list[str]]], int]:
    try:
        # A file object makes calamine look at the content; with a path it trusts the extension.
        with path.open("rb") as stream:
            sheet = _only_sheet(load_workbook(stream), file)
    except PasswordError:
        raise _protected(file) from None
    except CalamineError:
        raise corrupt(file) from None
    last = sheet.end[0] if sheet.end else 0
    return _sheet_records(sheet), last + 1


def _only_sheet(book: CalamineWorkbook, file: str) -> CalamineSheet:
    filled = []
    for position, sheet in enumerate(book.sheets_metadata):
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible:
            loaded = book.get_sheet_by_index(position)
            if loaded.height:
                filled.append(loaded)
        if len(filled) > 1:
            raise UnreadableFile(
                "file_sheets", N_("%(file)s has several sheets with data; keep only one"), file=file
            )
    if not filled:
        raise _empty(file)
    return filled[0]


def _sheet_records(sheet: CalamineSheet) -> Iterator[tuple[int, list[str]]]:
    for number, cells in enumerate(sheet.iter_rows(), 1):
        texts = [cell if isinstance(cell, str) else _cell_text(cell) for cell in cells]
        if any(map(str.strip, texts)):
            yield number, [_unescaped(text) for text in texts]


def _cell_text(cell: object) -> str:
    """A typed cell as its user sees it; a number too long for Excel as 5.10104199508024E+17."""
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return str(cell)
    if abs(cell) >= _EXACT_DIGITS:
        return f"{cell:.14E}"
    return str(int(cell)) if cell == int(cell) else str(cell)


def _unescaped(cell: str) -> str:
    """Undo the apostrophe that exports put before what a spreadsheet would take for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in tuple("=+-@\t\r") else cell
