"""Common mistakes in Excel files: the import wizard gives each a plain message."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlwt
from flask import Flask
from sqlalchemy.orm import Session
from xlwt.CompoundDoc import XlsDoc

from app.leads import upload_worker, uploads
from app.models import Branch
from tests.conftest import Person
from tests.leads.support import HEADER, person
from tests.leads.workbooks import SHEET, far_cell, one_text_many_times, sheet, workbook
from tests.screens.leads.test_import_steps import MATCH, Wizard


@pytest.fixture
def wizard(app: Flask, session: Session, login: Callable[..., Person]) -> Wizard:
    session.add(Branch(code="HZ-XIHU", name="西湖支行", path="/1/"))
    session.commit()
    return Wizard(app, session, login("Manager"))


def save_bytes(book: Any) -> bytes:
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def xlsx(change: Callable[[Any, Any], None]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (HEADER, person(1), person(2), person(3)):
        sheet.append(row)
    change(book, sheet)
    return save_bytes(book)


def xls(change: Callable[[Any, Any], None], rows: list[list[Any]] | None = None) -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("名单", cell_overwrite_ok=True)
    for r, row in enumerate(rows if rows is not None else [HEADER, person(1), person(2), person(3)]):
        for c, value in enumerate(row):
            sheet.write(r, c, value)
    change(book, sheet)
    return save_bytes(book)


def nothing(book: Any, sheet: Any) -> None:
    pass


def encrypted_xls() -> bytes:
    """Return a workbook with the record that marks the rest as encrypted."""
    book = xlwt.Workbook()
    book.add_sheet("a")
    records = book.get_biff_data()
    length = 4 + int.from_bytes(records[2:4], "little")
    stream = io.BytesIO()
    XlsDoc().save(stream, records[:length] + b"\x2f\x00\x06\x00\x00\x00" + bytes(4) + records[length:])
    return stream.getvalue()


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "")
        archive.writestr("xl/worksheets/sheet1.xml", bytes(70 << 20))
    return stream.getvalue()


def hidden_x(book: Any, sheet: Any) -> None:
    sheet.column_dimensions["E"].hidden = True
    sheet.row_dimensions[3].hidden = True
    book.create_sheet("old").sheet_state = "hidden"


def hidden_s(book: Any, sheet: Any) -> None:
    sheet.col(4).hidden = True
    sheet.row(2).hidden = True
    book.add_sheet("old").visibility = 1


def two_x(book: Any, sheet: Any) -> None:
    book.create_sheet("b").append(HEADER)


def two_s(book: Any, sheet: Any) -> None:
    book.add_sheet("b").write(0, 0, "x")


WARNED = {
    "merged header.xlsx": (xlsx(lambda b, s: s.merge_cells("A1:B1")), ["The first row has merged cells"]),
    "merged header.xls": (xls(lambda b, s: s.merge(0, 0, 0, 1)), ["The first row has merged cells"]),
    "merged.xlsx": (xlsx(lambda b, s: s.merge_cells("F2:F4")), ["Some cells are merged"]),
    "merged.xls": (xls(lambda b, s: s.merge(1, 3, 5, 5)), ["Some cells are merged"]),
    "hidden.xlsx": (xlsx(hidden_x), ["hidden columns", "hidden or filtered rows", "hidden sheets"]),
    "hidden.xls": (xls(hidden_s), ["hidden columns", "hidden or filtered rows", "hidden sheets"]),
    "formulas.xlsx": (xlsx(lambda b, s: s.cell(2, 5, "=B3")), ["formulas without a stored result"]),
    "lost.xlsx": (xlsx(lambda b, s: s.cell(2, 4, 330106196104293980)), ["lost digits"]),
    "lost.xls": (xls(lambda b, s: s.write(1, 3, 330106196104293980)), ["lost digits"]),
    "plain.xls": (xls(nothing), []),
}
REFUSED = {
    "empty.xlsx": (save_bytes(openpyxl.Workbook()), "is empty"),
    "empty.xls": (xls(nothing, []), "is empty"),
    "header only.xls": (xls(nothing, [HEADER]), "has a header but no rows"),
    "two.xlsx": (xlsx(two_x), "several sheets with data"),
    "two.xls": (xls(two_s), "several sheets with data"),
    "locked.xls": (encrypted_xls(), "protected with a password"),
    "bomb.xlsx": (bomb(), "unpacks to far more"),
    "title.xls": (xls(nothing, [["客户名单"], HEADER, person(1)]), "other rows above"),
    "far.xlsx": (far_cell(), "used as far as cell XFD1048576"),
    "much text.xlsx": (one_text_many_times(60 << 20, 798), "unpacks to far more"),
    "web.xls": (b"<html><table><tr><td>1</td></tr></table></html>", "save it as “Excel Workbook (.xlsx)”"),
    "list.ods": (b"PK\x03\x04", "open it in Excel or WPS and save it as one"),
    "picture.xlsx": (b"\x89PNG" + bytes(60), "not what its name says"),
    "text.xls": ("姓名,电话\n".encode(), "not what its name says"),
}


def uploaded(wizard: Wizard, content: bytes, name: str) -> tuple[Any, str]:
    """Upload a file and run the worker; return the batch, if any, and the page."""
    answer = wizard.send(content, name)
    if answer.status_code == 200:
        return None, answer.text
    batch = int(answer.headers["Location"].rsplit("/", 1)[1])
    if wizard.row(batch).status == "reading":
        assert 'class="card progress" hx-get=' in wizard.see("columns", batch)
        wizard.work(batch)
    row = wizard.row(batch)
    return row, wizard.see("columns" if row.status == "prepared" else "show", batch)


@pytest.mark.parametrize("name", WARNED)
def test_warnings(wizard: Wizard, name: str) -> None:
    content, said = WARNED[name]
    row, page = uploaded(wizard, content, name)
    assert row.status == "prepared"
    assert ("Please check the file" in page) == bool(said)
    for each in said:
        assert each in page


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("name", REFUSED)
def test_refusals(wizard: Wizard, monkeypatch: pytest.MonkeyPatch, name: str, small: bool) -> None:
    if not small:
        monkeypatch.setattr(uploads, "_SMALL_BYTES", 0)
    content, said = REFUSED[name]
    row, page = uploaded(wizard, content, name)
    assert said in page
    assert row is None or row.status == "failed"
    assert wizard.files() == []


def test_a_worker_that_dies_of_a_file_does_not_try_again(wizard: Wizard, app: Flask) -> None:
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], workbook_memory_mb=128)
    chance = random.Random(1)
    many = "".join(
        f"<row><c t='inlineStr'><is><t>{chance.randbytes(100).hex()}</t></is></c></row>"
        for _row in range(300_000)
    )
    row, page = uploaded(wizard, workbook({SHEET: sheet(many)}), "heavy.xlsx")
    assert (row.status, row.attempts) == ("failed", 1)
    assert "needs more memory than a workbook may have (128 MB)" in page
    assert "CSV UTF-8" in page
    with app.app_context():
        assert upload_worker.waiting() == []


def test_ids_that_lost_digits_and_dates_that_are_numbers_are_row_errors(wizard: Wizard) -> None:
    rows = [HEADER, [*person(1)[:3], 330106196104293980, "", ""], [*person(2)[:2], 46000, *person(2)[3:]]]
    row, _page = uploaded(wizard, xls(nothing, rows), "a.xls")
    wizard.post("columns", row.id, **MATCH)
    wizard.work(row.id)
    page = wizard.see("review", row.id)
    assert "lost its last digits" in page or "lost digits" in page
    assert wizard.row(row.id).checked["rejected"] == {"invalid_id_number": 1, "invalid_phone": 1}


def test_a_large_file_is_read_in_the_background(
    wizard: Wizard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(uploads, "_SMALL_BYTES", 100)
    batch = wizard.send(xlsx(lambda b, s: None), "名单.xlsx").headers["Location"].rsplit("/", 1)[1]
    assert wizard.row(int(batch)).status == "reading"
    state = wizard.progress(int(batch))
    assert (state["done"], state["progress"]) == (False, 0)
    answer = wizard.post("columns", int(batch), **MATCH)
    assert answer.status_code == 302
    assert wizard.row(int(batch)).status == "reading"
    wizard.work(int(batch))
    assert wizard.progress(int(batch))["done"]
    assert '<option value="id_number" selected>' in wizard.see("columns", int(batch))
    again = int(wizard.send(xlsx(lambda b, s: None), "名单.xlsx").headers["Location"].rsplit("/", 1)[1])
    assert wizard.cancel(again).status_code == 302
    assert wizard.row(again).status == "cancelled"


def test_a_request_over_300_mb_is_refused(wizard: Wizard) -> None:
    size = str(301 << 20)
    answer = wizard.client.post(
        "/importbatchview/upload",
        headers={"Content-Length": size, "Content-Type": "multipart/form-data; boundary=x"},
        environ_overrides={"CONTENT_LENGTH": size},
    )
    assert answer.status_code == 413
    assert "300 MB" in answer.text
