"""Workbooks made part by part: sound ones that are written unusually, and hostile ones."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.leads.support import HEADER, person

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
SHEET = "xl/worksheets/sheet1.xml"
RELATIONS = "xl/_rels/workbook.xml.rels"
ROWS = (HEADER, person(1), person(2))


def cell(at: str, text: str) -> str:
    """A cell with its text in it."""
    return f'<c r="{at}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def cells(rows: Sequence[Sequence[str]]) -> str:
    """Rows from the first on, at most 26 columns wide."""
    return "".join(
        f'<row r="{r}">{"".join(cell(f"{chr(65 + c)}{r}", text) for c, text in enumerate(row))}</row>'
        for r, row in enumerate(rows, 1)
    )


def sheet(body: str, *, before: str = "", after: str = "") -> str:
    """A sheet of the rows given."""
    return f'<worksheet xmlns="{MAIN}">{before}<sheetData>{body}</sheetData>{after}</worksheet>'


def workbook(parts: Mapping[str, str | bytes] | None = None, *, sheets: int = 1) -> bytes:
    """A workbook of the usual parts and paths; ``parts`` replace or add to them."""
    names = "".join(f'<sheet name="s{n}" sheetId="{n}" r:id="r{n}"/>' for n in range(1, sheets + 1))
    targets = "".join(
        f'<Relationship Id="r{n}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, sheets + 1)
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    usual: dict[str, str | bytes] = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>',
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r0"'
        f' Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        RELATIONS: f'<Relationships xmlns="{package}">{targets}</Relationships>',
        SHEET: sheet(cells(ROWS)),
    }
    return zipped(usual | dict(parts or {}))


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    """An archive of the parts, under names exactly as given."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo("part")
            entry.filename, entry.compress_type = name, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return stream.getvalue()


def moved(content: bytes, rename: Callable[[str], str] = str, **replaced: str) -> bytes:
    """The workbook with its parts renamed and texts in the relations to its sheets replaced."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts: dict[str, Any] = {name: archive.read(name).decode() for name in archive.namelist()}
    for old, new in replaced.items():
        parts[RELATIONS] = parts[RELATIONS].replace(f"worksheets/{old}.xml", new)
    return zipped({rename(name): text for name, text in parts.items()})


def far_cell(text: str = "x") -> bytes:
    """A cell in the last corner, its place in single quotes."""
    far = f"<row r='1048576'><c r='XFD1048576' t='inlineStr'><is><t>{text}</t></is></c></row>"
    return workbook({SHEET: sheet(cells(ROWS) + far)})


def one_text_many_times(length: int, times: int) -> bytes:
    """One shared text that every cell of a column uses."""
    shared = f'<sst xmlns="{MAIN}"><si><t>{"x" * length}</t></si></sst>'
    many = "".join(f'<row r="{r}"><c r="A{r}" t="s"><v>0</v></c></row>' for r in range(4, times + 4))
    return workbook({"xl/sharedStrings.xml": shared, SHEET: sheet(cells(ROWS) + many)})


def laughs() -> str:
    """A sheet whose entities multiply to gigabytes."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 11))
    return f'<!DOCTYPE w [<!ENTITY l0 "{"lol" * 10}">{entities}]>' + sheet(cells(ROWS) + cell("A4", "&l10;"))


def false_sizes(content: bytes) -> bytes:
    """The archive with its directory saying that every part is 10 bytes long."""
    broken = bytearray(content)
    at = broken.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<I", broken, at + 24, 10)
        at = broken.find(b"PK\x01\x02", at + 4)
    return bytes(broken)


def overlapping(content: bytes, times: int = 2000) -> bytes:
    """The archive with one part named so many times over."""
    entry_at, end_at = content.find(b"PK\x01\x02"), content.find(b"PK\x05\x06")
    directory = content[entry_at:end_at]
    first = directory[: directory.find(b"PK\x01\x02", 4)]
    many = directory + first * times
    count = content[end_at:].count(b"PK") and struct.unpack_from("<H", content, end_at + 10)[0] + times
    end = bytearray(content[end_at:])
    struct.pack_into("<HHI", end, 8, count, count, len(many))
    return content[:entry_at] + many + bytes(end)
