"""Unusual cells of lead and do-not-disturb files: rare characters, error values, dates and placeholders."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlwt

from app.leads.free_text import (
    clean_text,
    is_not_a_branch,
    is_not_a_name,
    is_not_a_value,
    unusable_characters,
)
from app.leads.importer import ImportOrder, ImportResult, run_import
from app.leads.suppression_file import SuppressionIntake
from app.lib.spreadsheet import parse_date
from tests.conftest import Person
from tests.leads.support import (
    FAULTS,
    HEADER,
    Importer,
    error_table,
    id_number,
    person,
    write_csv,
    write_xlsx,
)

NAMES = "SELECT name FROM lead ORDER BY id"
TODAY = dt.date(2026, 11, 29)


def explained(result: ImportResult) -> list[str]:
    header, *rows = error_table(result)
    return [row[header.index("原因 explanation")] for row in rows]


def remarks(result: ImportResult) -> list[str]:
    return [each.english() for each in result.remarks.first]


@pytest.mark.parametrize(
    ("file", "names"),
    [
        (
            "F01_rare_names_utf8.csv",
            ["王\U0002ebf0", "李\U00031350", "赵\ue863", "钱𠮷", "阿卜杜·买买提", "孙䶮", "周\U000323b0"],
        ),
        ("F02_rare_names_gb18030.csv", ["王龴", "王龵", "王𤇾", "王䶮"]),
    ],
)
def test_rare_names_are_stored_as_given(importer: Importer, file: str, names: list[str]) -> None:
    result = importer.file(FAULTS / file)
    assert (result.rejected, remarks(result)) == ({}, [])
    assert importer.query(NAMES) == names


def test_only_what_no_text_has_is_left_out() -> None:
    kept = "王\U0010fffd\ue000葛\U000e0100\U0003ffff"[:-1] + "\u0378Ö·'"
    assert clean_text(kept) == kept
    assert unusable_characters(kept) == []
    gone = "\x07\u200b\u200d\ufeff\ufdd0\ufdef\uffff\U0003fffe\ud800"
    assert clean_text(f"王{gone}五") == "王五"
    assert unusable_characters(f"王\t{gone}五") == [f"U+{ord(c):04X}" for c in gone]


def test_a_row_that_loses_a_character_is_pointed_out(importer: Importer) -> None:
    rows = [person(1, name="王\u200b五"), person(2, source="抖\x07音"), person(3, phone="1", name="\u200b王")]
    for dry_run in (True, False):
        result = importer.rows(*rows, dry_run=dry_run)
        assert remarks(result) == [
            "Row 2, column 2 (客户姓名): U+200B can't be part of a text and was left out",
            "Row 3, column 5 (来源渠道): U+0007 can't be part of a text and was left out",
        ]
    assert importer.query("SELECT remarks ->> 'count' FROM import_batch") == ["2"]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "#N/A",
            "#REF!",
            "#NAME?",
            "#DIV/0!",
            "＃Ｎ／Ａ",
            "####",
            "NULL",
            "null",
            "(null)",
            "None",
            "NaN",
            r"\N",
        ),
        *("N/A", "无", "暂无", " 未知 ", "-", "--", "—", "/", "?", "***", "TRUE", "False", "0", "0.0"),
        *("2026-05-01", "2026/5/1", "2026.5.1", "5/1/2026", "2026年5月1日", "5月1日", "1-May", "May-26"),
        *("2026-10-01 12:30:00", "08:30", "30:00:00"),
    ],
)
def test_what_is_no_name_and_no_branch(text: str) -> None:
    assert is_not_a_value(text.strip())
    assert is_not_a_name(text.strip())


@pytest.mark.parametrize("text", ["12345", "13812345678", "1·2", "0571", "12E5", "1.2.3"])
def test_numbers_are_codes_of_branches_but_no_names(text: str) -> None:
    assert is_not_a_name(text)
    assert not is_not_a_branch(text)


def test_an_amount_is_no_branch(importer: Importer) -> None:
    texts = ["12.5", "１２．５", ".5", "-3", "+12.0", "1.23E+05", "5%", "1,234"]
    rows = [person(serial, branch=text) for serial, text in enumerate(texts)]
    assert importer.rows(*rows).rejected == {"invalid_branch": len(texts)}
    typed: list[list[Any]] = [[*person(9)[:5], 12.5], [*person(10)[:5], -0.75], [*person(11)[:5], 123]]
    result = importer.file(write_xlsx(importer.folder / "typed.xlsx", {"s": [HEADER, *typed]}))
    assert (result.created, result.rejected) == (1, {"invalid_branch": 2})
    assert importer.query("SELECT name FROM branch WHERE name !~ '[^0-9.]'") == ["123"]


@pytest.mark.parametrize(
    "text",
    [
        "王",
        "无名",
        "空明月",
        "Na Li",
        "True Smith",
        "王*",
        "吾尔开希·买买提",
        "\U000323b0",
        "\ue863",
        "Ng",
        "〇",
    ],
)
def test_names_are_names(text: str) -> None:
    assert not is_not_a_name(text)


def test_error_words_are_no_names_and_no_branches(importer: Importer) -> None:
    result = importer.file(FAULTS / "F11_error_words.csv")
    assert (result.created, result.rejected) == (0, {"invalid_name": 4, "invalid_branch": 4})
    assert [text.rpartition(": ")[2] for text in explained(result)] == [
        *("“#N/A”", "“#N/A”", "“NULL”", "“NULL”", "“无”", "“-”", "“#REF!”", "“0”")
    ]
    assert explained(result)[0].startswith("这不是姓名：“#N/A” / ")
    assert importer.query("SELECT count(*) FROM branch") == [0]


def test_typed_cells(importer: Importer) -> None:
    result = importer.file(FAULTS / "F11_typed_cells.xlsx")
    assert (result.created, result.rejected) == (4, {"invalid_name": 2, "invalid_branch": 1})
    sources = importer.query("SELECT source FROM lead ORDER BY id")
    assert sources == ["", "线下活动", "", ""]
    assert "“30:00:00” says nothing" in remarks(result)[2]
    assert "2026-10-01 12:30:00" in remarks(result)[0]


@pytest.mark.parametrize("form", ["xlsx", "xls"])
def test_failed_formulas_of_a_workbook(importer: Importer, form: str) -> None:
    path = importer.folder / f"a.{form}"
    (book_with_errors if form == "xlsx" else old_book_with_errors)(path)
    result = importer.file(path)
    assert (result.created, result.rejected) == (1, {"invalid_name": 1, "invalid_branch": 1})
    assert [text.rpartition(": ")[2] for text in explained(result)] == ["“#N/A”", "“#REF!”"]


def book_with_errors(path: Path) -> None:
    book = openpyxl.load_workbook(write_xlsx(path, {"s": [HEADER, person(1), person(2), person(3)]}))
    for place, error in (("B2", "#N/A"), ("F3", "#REF!")):
        book.worksheets[0][place] = error
        book.worksheets[0][place].data_type = "e"
    book.save(path)


def old_book_with_errors(path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("s")
    for at, row in enumerate([HEADER, person(1), person(2), person(3)]):
        for column, cell in enumerate(row):
            if (at, column) in {(1, 1), (2, 5)}:
                sheet.row(at).set_cell_error(column, 0x2A if at == 1 else 0x17)
            else:
                sheet.write(at, column, cell)
    book.save(path)


def test_a_name_that_lost_a_character_elsewhere_is_refused(importer: Importer) -> None:
    result = importer.rows(person(1, name="王\ufffd"), person(2, branch="西\ufffd"))
    assert result.rejected == {"invalid_name": 1, "invalid_branch": 1}


def test_nothing_is_cut_in_silence(importer: Importer) -> None:
    result = importer.rows(
        person(1, branch="y" * 65),
        person(2, source="来" * 65),
        person(3, lead_no="x" * 33),
        person(4, source="NULL"),
    )
    assert (result.created, result.rejected) == (3, {"invalid_branch": 1})
    assert remarks(result) == [
        f"Row 3, column 5 (来源渠道): “{'来' * 40}” was cut to 64 characters",
        f"Row 4, column 1 (线索编号): “{'x' * 33}” can't be a lead number; the lead gets another",
        "Row 5, column 5 (来源渠道): “NULL” says nothing and was left out",
    ]


def test_every_rejection_shows_the_value_and_masks_numbers(importer: Importer) -> None:
    result = importer.rows(
        person(1, phone="12345"),
        person(2, phone="138000000012"),
        person(3, id_number="无"),
        person(4, id_number=id_number(4)[:17]),
        person(5, branch="#REF!"),
    )
    shown = [text.partition("; ")[0].rpartition(": ")[2] for text in explained(result)]
    assert shown[0] == "“12345”"
    assert shown[1] == "“138*****0012”"
    assert shown[2] == "“无”"
    assert shown[3] == f"“{id_number(4)[:3]}{'*' * 12}{id_number(4)[15:17]}”"
    assert shown[4] == "“#REF!”"


def test_the_command_tells_rejections_and_remarks_on_standard_error(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    rows = [
        person(1, branch="#REF!"),
        person(2, name="王\u200b"),
        *(person(n, phone="1") for n in range(3, 28)),
    ]
    path = write_csv(tmp_path / "a.csv", [HEADER, *rows])
    said = cli("leads", "import", path, "--dry-run", "--json").stderr
    assert "row 2: invalid_branch: This is not a branch: “#REF!”" in said
    assert "Row 3, column 2 (客户姓名): U+200B can't be part of a text and was left out" in said
    assert "and 6 more rejected rows" in said


def test_what_is_typed_is_kept_and_what_can_not_be_is_said(
    login: Callable[..., Person], importer: Importer
) -> None:
    importer.rows(person(1))
    (key,) = importer.query("SELECT id FROM lead")
    manager = login("Manager")
    form = {"name": "王\U000323b0\ue863\u200b", "status": "active", "source": "官网"}
    said = manager.submit(f"/leadview/edit/{key}", form, follow_redirects=True).text
    assert "These characters can&#39;t be stored and were left out: U+200B" in said
    assert importer.query(NAMES) == ["王\U000323b0\ue863"]
    refused = manager.submit(f"/leadview/edit/{key}", {**form, "name": "\u200b"}).text
    assert "There is no customer name" in refused
    assert importer.query(NAMES) == ["王\U000323b0\ue863"]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        *((text, dt.date(2027, 1, 31)) for text in ("2027/1/31", "2027-1-31", "2027年1月31日", "2027.1.31")),
        *(
            (text, dt.date(2027, 1, 31))
            for text in ("20270131", "46418", "2027 年 1 月 31 日", "２０２７／１／３１")
        ),
        *(
            (text, dt.date(2027, 1, 31))
            for text in ("2027-01-31 23:59:59", "2027-01-31T00:00", "2027年01月31号")
        ),
        *(
            (text, None)
            for text in ("12/31/2027", "31/01/2027", "2027-02-30", "2027年1月", "2027-01-311", "长期", "")
        ),
    ],
)
def test_dates_as_people_write_them(text: str, day: dt.date | None) -> None:
    assert parse_date(text) == day


def suppressed(importer: Importer, path: Path) -> tuple[ImportResult, list[tuple[str, str | None]]]:
    intake = SuppressionIntake(importer.settings, reason="x", user="clerk", today=TODAY)
    order = ImportOrder(path, path.name, "clerk", importer.settings, find=dnd_columns)
    result = run_import(importer.engine, order, intake)
    return result, importer.query("SELECT shown, expires_on::text FROM suppression ORDER BY id")


def dnd_columns(header: Any, file: str) -> dict[str, int]:
    return {"phone": 0, "reason": 1, "expires_on": 2}


def test_do_not_disturb_dates(importer: Importer) -> None:
    result, found = suppressed(importer, FAULTS / "F08_do_not_disturb_dates.csv")
    assert [(shown[-1], until) for shown, until in found] == [
        *(("0", "2027-01-31"), ("1", "2027-01-31"), ("2", "2027-01-31"), ("3", None), ("4", "2027-01-31")),
        *(("5", "2027-12-31"), ("6", None), ("7", "2027-01-05")),
    ]
    assert result.rejected == {"bad_expiry": 1}
    assert explained(result)[0].endswith(": “12/31/2027”")


def test_do_not_disturb_dates_in_excel(importer: Importer) -> None:
    result, found = suppressed(importer, FAULTS / "F08_do_not_disturb_dates.xlsx")
    rejected = [text.rpartition(": ")[2] for text in explained(result)]
    assert rejected == ["“31/01/2027”", "“2020-01-01”", "“2027-02-30”"]
    no_end = {"138****5012"[-2:], "13", "16"}
    assert {shown[-2:] for shown, until in found if until is None} == no_end
    assert {until for _shown, until in found} == {"2027-01-31", "9999-12-31", None}


def test_a_person_without_a_phone_goes_on_the_list(importer: Importer) -> None:
    path = write_csv(importer.folder / "a.csv", [["手机", "身份证号"], ["无", id_number(1)], ["#N/A", "-"]])
    intake = SuppressionIntake(importer.settings, reason="x", user="clerk", today=TODAY)
    order = ImportOrder(
        path, path.name, "clerk", importer.settings, find=lambda header, file: {"phone": 0, "id_number": 1}
    )
    result = run_import(importer.engine, order, intake)
    assert (result.created, result.rejected) == (1, {"missing_target": 1})
    assert explained(result)[0].endswith(": “#N/A”")
