"""The preview of an uploaded file: its masked contents and its warnings."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from app.errors import DomainError, FieldError
from app.leads.errors import UnreadableFile
from app.leads.matching import columns_from_choices, fixed_columns, propose_columns
from app.leads.preview import preview_file
from app.leads.reader import open_lead_file
from app.leads.samples import masked_cell
from tests.leads.support import HEADER, id_number, person, write_csv, write_xlsx


def workbook(path: Path) -> tuple[openpyxl.Workbook, Worksheet]:
    book = openpyxl.load_workbook(write_xlsx(path, {"s": [HEADER, person(1), person(2), person(3)]}))
    return book, book.worksheets[0]


def test_a_plain_file_is_shown_masked_and_without_warning(tmp_path: Path) -> None:
    rows = [HEADER, *(person(serial) for serial in range(1, 6))]
    for path in (write_csv(tmp_path / "a.csv", rows), write_xlsx(tmp_path / "a.xlsx", {"s": rows})):
        found = preview_file(path, path.name)
        assert (found.header, found.warnings, found.total) == (HEADER, [], 5)
        assert found.columns == {
            "lead_no": 0,
            "name": 1,
            "phone": 2,
            "id_number": 3,
            "source": 4,
            "branch": 5,
        }
        assert len(found.rows) == 3
        hidden = id_number(1)
        assert found.rows[0] == [
            "L1001",
            "王1",
            "138****0001",
            f"{hidden[:3]}{'*' * 13}{hidden[-2:]}",
            "抖音推广",
            "HZ-XIHU",
        ]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ("A1:B1", ["merged_header"]),
        ("A2:A4", ["merged_rows"]),
        ("A1:A2", ["merged_header", "merged_rows"]),
    ],
)
def test_merged_cells(tmp_path: Path, cells: str, found: list[str]) -> None:
    book, sheet = workbook(tmp_path / "a.xlsx")
    sheet.merge_cells(cells)
    book.save(tmp_path / "a.xlsx")
    assert preview_file(tmp_path / "a.xlsx", "a.xlsx").warnings == found


def test_what_is_hidden(tmp_path: Path) -> None:
    book, sheet = workbook(tmp_path / "a.xlsx")
    sheet.column_dimensions["E"].hidden = True
    sheet.row_dimensions[3].hidden = True
    book.create_sheet("old").sheet_state = "hidden"
    book.save(tmp_path / "a.xlsx")
    assert preview_file(tmp_path / "a.xlsx", "a.xlsx").warnings == [
        "hidden_columns",
        "hidden_rows",
        "hidden_sheets",
    ]


def test_formulas_without_a_result(tmp_path: Path) -> None:
    book, sheet = workbook(tmp_path / "a.xlsx")
    sheet["B2"] = "=B3"
    book.save(tmp_path / "a.xlsx")
    assert preview_file(tmp_path / "a.xlsx", "a.xlsx").warnings == ["formulas"]


def test_numbers_that_lost_digits(tmp_path: Path) -> None:
    rows = [HEADER, ["", "王", 13812345678, 510104199508024620, "", ""]]
    found = preview_file(write_xlsx(tmp_path / "a.xlsx", {"s": rows}), "a.xlsx")
    assert found.warnings == ["lost_digits"]


def test_a_title_above_the_header_is_told(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [["客户名单"], HEADER, person(1)])
    with pytest.raises(UnreadableFile) as caught:
        preview_file(path, "a.csv")
    assert caught.value.code == "file_title_rows"


def test_a_file_of_unknown_names_is_split_at_its_separator(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [["x1", "x2", "x3"], ["王", "1", "2"]], separator=";")
    found = preview_file(path, "a.csv")
    assert (found.header, found.columns) == (["x1", "x2", "x3"], {})


def test_of_two_columns_of_one_field_the_first_is_proposed() -> None:
    assert propose_columns(["手机号", "姓名", "电话"]) == {"phone": 0, "name": 1}


def test_the_match_is_what_the_reader_uses(tmp_path: Path) -> None:
    columns = columns_from_choices({0: "phone", 1: "", 2: "name", 3: "id_hash"}, 4)
    assert columns == {"phone": 0, "name": 2, "id_hash": 3}
    path = write_csv(tmp_path / "a.csv", [["a", "b", "c", "d"], ["1", "2", "3", "4"]])
    assert open_lead_file(path, "a.csv", fixed_columns(columns)).columns == columns
    with pytest.raises(UnreadableFile) as caught:
        open_lead_file(path, "a.csv", fixed_columns({"name": 4}))
    assert caught.value.code == "file_changed"


@pytest.mark.parametrize(
    "chosen",
    [
        {0: "name", 1: "phone"},
        {0: "name", 1: "id_number"},
        {0: "phone", 1: "id_number"},
        {0: "name", 1: "phone", 2: "id_number", 3: "name"},
        {0: "name", 1: "phone", 2: "id_number", 4: "source"},
        {0: "name", 1: "phone", 2: "id_number", 3: "salary"},
    ],
)
def test_a_match_that_can_not_be_imported(chosen: dict[int, str]) -> None:
    with pytest.raises(DomainError) as caught:
        columns_from_choices(chosen, 4)
    assert isinstance(caught.value, FieldError) == (len(chosen) > 2)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("抖音推广", "抖音推广"),
        ("2026-10-26", "2026-10-26"),
        ("2026-10-26 12:30:00", "2026-10-26 12:30:00"),
        ("L1024589", "L1024589"),
        ("13812345678", "138****5678"),
        ("+86 138 1234 5678", "+86 *********5678"),
        ("电话13812345678转1", "电话138****5678转1"),
        ("12345678", "1******8"),
        ("a" * 64, "aaa…"),
        ("x" * 99, "x" * 40),
    ],
)
def test_masked_cells(cell: str, shown: str) -> None:
    assert masked_cell(cell) == shown


def test_in_the_columns_of_a_person_everything_is_masked() -> None:
    assert masked_cell("ABCDEF", "id_number") == "******"
    assert masked_cell("12345", "phone") == "*****"
    assert masked_cell("a" * 64, "id_hash").count("*") > 30
