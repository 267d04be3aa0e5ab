"""Reading of lead files, Excel, CSV (app/leads/text_file.py) or Parquet, as rows of text.

The kind of a file follows from its content. A file whose name claims another kind is refused.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from app.errors import N_, DomainError
from app.leads.columns import find_columns
from app.leads.errors import UnreadableFile
from app.leads.parquet_file import MAGIC, parquet_rows
from app.leads.text_file import Row, header_error, text_rows
from app.leads.workbook import DEFAULT_LIMITS, Limits, Percent, read_workbook, refusal
from app.lib.spreadsheet import unescape

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_KINDS = {
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xls",
    ".parquet": "parquet",
    ".csv": "text",
    ".txt": "text",
    ".tsv": "text",
}
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_CHUNK, _HEAD = 1 << 20, 1 << 10

FindColumns = Callable[[Sequence[str], str], dict[str, int]]


@dataclass(frozen=True)
class LeadFile:
    """An opened lead file.

    ``columns`` maps fields to positions in ``header``. ``rows`` yields each non-empty data row once, and
    ``total`` is their approximate number. Only a workbook may have ``oddities``, and only it is no text.
    """

    header: list[str]
    columns: dict[str, int]
    rows: Iterator[Row]
    total: int
    oddities: list[str]
    is_text: bool


def open_lead_file(
    path: Path,
    file: str,
    find: FindColumns = find_columns,
    *,
    limits: Limits = DEFAULT_LIMITS,
    inspected: bool = False,
    progress: Percent = lambda done: None,
) -> LeadFile:
    """Open a file; ``file`` is its name as the user knows it. Raises UnreadableFile, also while reading rows.

    ``find`` returns the columns of the header, as ``find_columns`` does for a lead list. ``limits``,
    ``inspected`` and ``progress`` are passed to ``read_workbook``.
    """
    try:
        kind = kind_of(path, file)
        oddities: list[str] = []
        if kind in ("text", "parquet"):
            rows, total = (text_rows if kind == "text" else parquet_rows)(path, file)
        else:
            sheet = read_workbook(path, file, limits, inspected=inspected, progress=progress)
            rows, total, oddities = _unescaped_rows(sheet.rows), sheet.total, sheet.oddities
    except OSError:
        raise UnreadableFile("file_unreadable", N_("%(file)s can't be opened"), file=file) from None
    header = next(rows, None)
    if header is None:
        raise refusal("file_empty", file)
    if header.fault is not None:
        raise header_error(header.fault, file)
    columns = find(header.cells, file)
    first = next(rows, None)
    if first is None:
        raise UnreadableFile("file_no_rows", N_("%(file)s has a header but no rows"), file=file)
    total = max(total - header.number, 1)
    return LeadFile(header.cells, columns, chain([first], rows), total, oddities, kind in ("text", "parquet"))


def wrong_extension(name: str) -> DomainError:
    """Return the refusal of a file for its extension."""
    return DomainError(
        "“%(name)s” is not an Excel or CSV file (.xlsx, .xls, .csv);"
        " open it in Excel or WPS and save it as one.",
        name=name or "?",
    )


def kind_of(path: Path, file: str) -> str:
    """Return ``xlsx``, ``xls``, ``parquet`` or ``text`` by content.

    Raises UnreadableFile when the name claims otherwise.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        raise refusal("file_empty", file)
    kinds = {_ZIP: "xlsx", _OLE: "xls", MAGIC: "parquet"}
    kind = next((kind for magic, kind in kinds.items() if head.startswith(magic)), "text")
    if kind == "text" and (markup := _markup(head)):
        raise refusal("file_save_as", file, kind=markup)
    if kind == "xls" and _contains(path, _ENCRYPTED):
        raise refusal("file_password", file)
    claimed = _KINDS.get(Path(file).suffix.lower(), kind)
    if claimed != kind:
        raise UnreadableFile(
            "file_type",
            N_(
                "%(file)s is not what its name says: its content is %(kind)s. Open it in Excel or WPS and"
                " save it as “Excel Workbook (.xlsx)” or “CSV UTF-8”"
            ),
            file=file,
            kind=kind,
        )
    return kind


def _markup(head: bytes) -> str:
    """Return the markup format of a text that programs save as .xls, empty for any other text."""
    text = head.removeprefix(codecs.BOM_UTF8).strip(b"\xff\xfe").replace(b"\0", b"").lstrip().lower()
    if text.startswith(b"mime-version:"):
        return "MHTML"
    if not text.startswith(b"<"):
        return ""
    return "XML" if text.startswith(b"<?xml") and b"<html" not in text else "HTML"


def _contains(path: Path, needle: bytes) -> bool:
    tail = b""
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if needle in tail + chunk:
                return True
            tail = chunk[-len(needle) :]
    return False


def _unescaped_rows(rows: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    for number, cells in rows:
        yield Row(number, [unescape(cell) for cell in cells])
