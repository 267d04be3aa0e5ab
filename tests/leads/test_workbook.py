"""Unusual workbooks are read as spreadsheet programs read them, and hostile ones do no harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.leads.errors import UnreadableFile
from app.leads.reader import open_lead_file
from app.leads.workbook import DEFAULT_LIMITS, Limits
from tests.leads.support import HEADER, person
from tests.leads.workbooks import (
    RELATIONS,
    ROWS,
    SHEET,
    cell,
    cells,
    false_sizes,
    far_cell,
    laughs,
    moved,
    one_text_many_times,
    overlapping,
    sheet,
    workbook,
    zipped,
)

READ = [(2, person(1)), (3, person(2))]


def rows(folder: Path, content: bytes, name: str = "a.xlsx", **how: object) -> list[tuple[int, list[str]]]:
    path = folder / "upload"
    path.write_bytes(content)
    opened = open_lead_file(path, name, **how)  # type: ignore[arg-type]
    assert opened.header == HEADER
    return [(row.number, row.cells) for row in opened.rows]


def refused(folder: Path, content: bytes, name: str = "a.xlsx", **how: object) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        rows(folder, content, name, **how)
    assert name in str(caught.value)
    return caught.value


def single_quotes(text: str) -> str:
    return text.replace('"', "'")


UNUSUAL = {
    "as usual": workbook(),
    "single quotes": workbook({SHEET: single_quotes(sheet(cells(ROWS)))}),
    "a dimension too small": workbook({SHEET: sheet(cells(ROWS), before='<dimension ref="A1"/>')}),
    "a dimension too large": workbook({SHEET: sheet(cells(ROWS), before='<dimension ref="A1:XFD1048576"/>')}),
    "no places": workbook({SHEET: sheet(cells(ROWS).replace(' r="', ' x="'))}),
    "a prefix": workbook(
        {SHEET: sheet(cells(ROWS)).replace("<", "<x:").replace("<x:/", "</x:").replace("xmlns=", "xmlns:x=")}
    ),
    "upper case in the archive": moved(workbook(), str.upper),
    "back slashes in the archive": moved(workbook(), lambda name: name.replace("/", "\\")),
    "an absolute target": moved(workbook(), sheet1="/xl/worksheets/sheet1.xml"),
    "a target in upper case": moved(workbook(), sheet1="WORKSHEETS/SHEET1.XML"),
    "a target with dots": moved(workbook(), sheet1="../xl/./worksheets/sheet1.xml"),
    "a target with back slashes": moved(workbook(), sheet1="worksheets\\sheet1.xml"),
    "an absolute target with back slashes": moved(workbook(), sheet1="\\xl\\worksheets\\sheet1.xml"),
    "a sheet elsewhere": moved(
        workbook(), lambda name: name.replace("xl/worksheets", "data"), sheet1="../data/sheet1.xml"
    ),
    "a far cell without anything": workbook(
        {SHEET: sheet(cells(ROWS) + '<row r="1048576"><c r="XFD1048576" s="0"/></row>')}
    ),
    "a blank cell far below": workbook(
        {SHEET: sheet(cells(ROWS) + f'<row r="1048576">{cell("C1048576", " ")}</row>')}
    ),
    "merged as far as it goes": workbook(
        {SHEET: sheet(cells(ROWS), after='<mergeCells><mergeCell ref="H1:XFD1048576"/></mergeCells>')}
    ),
    "thousands of empty sheets": workbook(
        {f"xl/worksheets/sheet{n}.xml": sheet("") for n in range(2, 3001)}, sheets=3000
    ),
}


@pytest.mark.parametrize("inspected", [False, True])
@pytest.mark.parametrize("which", UNUSUAL)
def test_an_unusual_workbook_is_read_as_a_spreadsheet_program_does(
    tmp_path: Path, which: str, inspected: bool
) -> None:
    found = rows(tmp_path, UNUSUAL[which], inspected=inspected)
    assert [(number, cells[: len(HEADER)]) for number, cells in found] == READ


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a far cell": (far_cell, "file_far_cell"),
    "a far blank cell": (lambda: far_cell(" "), "file_far_cell"),
    "a cell that says no place beside a far one": (
        lambda: workbook({SHEET: sheet(f'<row r="1048576"><c r="XFC1048576"/>{cell("", "x")}</row>')}),
        "file_far_cell",
    ),
    "a text used too often": (lambda: one_text_many_times(60 << 20, 798), "file_too_big"),
    "a text of a row too long": (lambda: one_text_many_times(2 << 20, 1), "file_long_row"),
    "entities": (lambda: workbook({SHEET: laughs()}), "file_corrupt"),
    "entities in the relations": (lambda: workbook({RELATIONS: laughs()}), "file_corrupt"),
    "much of nothing": (lambda: workbook({SHEET: sheet(" " * (100 << 20))}), "file_too_big"),
    "false sizes": (lambda: false_sizes(workbook()), "file_corrupt"),
    "parts over each other": (lambda: overlapping(workbook(), 20_000), "file_too_big"),
    "a column beyond all": (lambda: workbook({SHEET: sheet(cell("ZZZZZZZ1", "x"))}), "file_far_cell"),
    "a row beyond all": (lambda: workbook({SHEET: sheet(cell("A" + "9" * 30, "x"))}), "file_far_cell"),
    "a place that is none": (lambda: workbook({SHEET: sheet(cell("王1", "x"))}), "file_corrupt"),
    "a shared text that is not there": (
        lambda: workbook({SHEET: sheet('<row><c t="s"><v>7</v></c></row>')}),
        "file_corrupt",
    ),
    "deep nesting": (lambda: workbook({SHEET: sheet("<a>" * 200_000)}), "file_corrupt"),
    "no sheet": (lambda: zipped({"xl/workbook.xml": ""}), "file_corrupt"),
}


@pytest.mark.parametrize("which", HOSTILE)
def test_a_hostile_workbook_is_refused(tmp_path: Path, which: str) -> None:
    make, code = HOSTILE[which]
    assert refused(tmp_path, make()).code == code


@pytest.mark.parametrize("make", [far_cell, lambda: one_text_many_times(60 << 20, 798)])
def test_what_slips_through_dies_of_its_limit_alone(tmp_path: Path, make: Callable[[], bytes]) -> None:
    error = refused(tmp_path, make(), inspected=True)
    assert (error.code, error.values["memory"]) == ("file_memory", DEFAULT_LIMITS.memory_mb)


def test_work_without_end_is_ended(tmp_path: Path) -> None:
    rows_of_nothing = sheet("<row/>" * 10_000_000)
    many = workbook({f"xl/worksheets/sheet{n}.xml": rows_of_nothing for n in range(1, 9)}, sheets=8)
    error = refused(tmp_path, many, limits=Limits(seconds=1), inspected=True)
    assert (error.code, error.values["seconds"]) == ("file_time", 1)


def test_the_far_cell_is_named(tmp_path: Path) -> None:
    assert "XFD1048576" in str(refused(tmp_path, far_cell()))


def test_a_merged_cell_belongs_to_all_its_rows(tmp_path: Path) -> None:
    listed = [HEADER, *(person(n, branch="测试支行" if n == 1 else "") for n in range(1, 5))]
    merged = '<mergeCells><mergeCell ref="F2:F4"/><mergeCell ref="A1:B1"/></mergeCells>'
    content = workbook({SHEET: sheet(cells(listed), after=merged)})
    assert [each[5] for _number, each in rows(tmp_path, content)] == ["测试支行"] * 3 + [""]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.xls", b"\xef\xbb\xbf\r\n<html><table><tr><td>1</td></tr></table></html>", "HTML"),
        ("a.xls", "<!DOCTYPE html><table>".encode("utf-16"), "HTML"),
        ("a.xls", b"<table border=1><tr><th>a</th></tr></table>", "HTML"),
        ("a.xls", b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook/>', "XML"),
        ("a.xls", b"MIME-Version: 1.0\nContent-Type: multipart/related", "MHTML"),
        ("a.csv", b"<html><table></table></html>", "HTML"),
        ("a.ods", zipped({"mimetype": "x", "content.xml": "<office/>"}), "OpenDocument"),
        ("a.xlsx", zipped({"mimetype": "x", "content.xml": "<office/>"}), "OpenDocument"),
        ("a.xlsb", zipped({"xl/workbook.bin": b"\x83\x01"}), "Excel Binary"),
    ],
)
def test_other_spreadsheets_are_told_how_to_be_saved(
    tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    error = refused(tmp_path, content, name)
    assert error.code == "file_save_as"
    assert kind in str(error)
    assert ".xlsx" in str(error).removeprefix(name)
