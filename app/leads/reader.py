"""Lead files of any kind as rows of text: Excel, or CSV (app/leads/text_file.py).

What a file is follows from its content; a name that says otherwise is refused.
"""

from __future__ import annotations

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

from app.cells import unescaped
from app.errors import N_
from app.leads import old_workbook
from app.leads.columns import find_columns
from app.leads.errors import UnreadableFile
from app.leads.text_file import Row, refuse_header, text_rows
from app.leads.workbook import Percent, check_workbook, corrupt

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_KINDS = {".xlsx": "xlsx", ".xlsm": "xlsx", ".xls": "xls", ".csv": "text", ".txt": "text", ".tsv": "text"}
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_CHUNK = 1 << 20
_EXACT_DIGITS = 10**15

FindColumns = Callable[[Sequence[str], str], dict[str, int]]


@dataclass(frozen=True)
class LeadFile:
    """An opened lead file.

    ``columns`` maps fields to positions in ``header``; ``rows`` yields each non-empty data row once;
    ``total`` is about how many there are.
    """

    header: list[str]
    columns: dict[str, int]
    rows: Iterator[Row]
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
        rows, total = text_rows(path) if kind == "text" else _excel_rows(path, file)
    except OSError:
        raise UnreadableFile("file_unreadable", N_("%(file)s can't be opened"), file=file) from None
    header = next(rows, None)
    if header is None:
        raise _empty(file)
    if header.fault is not None:
        raise refuse_header(header.fault, file)
    columns = find(header.cells, file)
    rest = next(rows, None)
    if rest is None:
        raise UnreadableFile("file_no_rows", N_("%(file)s has a header but no rows"), file=file)
    return LeadFile(header.cells, columns, chain([rest], rows), max(total - header.number, 1))


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


def _excel_rows(path: Path, file: str) -> tuple[Iterator[Row], int]:
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


def _sheet_records(sheet: CalamineSheet) -> Iterator[Row]:
    for number, cells in enumerate(sheet.iter_rows(), 1):
        texts = [cell if isinstance(cell, str) else _cell_text(cell) for cell in cells]
        if any(map(str.strip, texts)):
            yield Row(number, [unescaped(text) for text in texts])


def _cell_text(cell: object) -> str:
    """A typed cell as its user sees it; a number too long for Excel as 5.10104199508024E+17."""
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return str(cell)
    if abs(cell) >= _EXACT_DIGITS:
        return f"{cell:.14E}"
    return str(int(cell)) if cell == int(cell) else str(cell)
