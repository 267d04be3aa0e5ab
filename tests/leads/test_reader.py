"""Lead files of every kind, and files that are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from app.leads.errors import UnreadableFile
from app.leads.reader import open_lead_file
from tests.leads.support import HEADER, SAMPLE, person, write_csv, write_xlsx


def read(path: Path, name: str | None = None) -> list[tuple[int, list[str]]]:
    return [(row.number, row.cells) for row in open_lead_file(path, name or path.name).rows]


def refusal(path: Path, name: str | None = None) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        read(path, name)
    assert (name or path.name) in str(caught.value)
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_text_files(tmp_path: Path, encoding: str, separator: str) -> None:
    rows = [HEADER, person(1, name="张,三;四"), person(2, name="𠮷田 “五”")]
    path = write_csv(tmp_path / "a.csv", rows, encoding=encoding, separator=separator)
    leads = open_lead_file(path, path.name)
    assert list(leads.columns) == ["lead_no", "name", "phone", "id_number", "source", "branch"]
    assert leads.total == 2
    assert list(leads.rows) == [(2, rows[1], None), (3, rows[2], None)]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_line_that_names_the_separator_is_no_header(tmp_path: Path, separator: str) -> None:
    path = write_csv(tmp_path / "a.csv", [HEADER, person(1)], separator=separator)
    path.write_bytes(f"sep={separator}\r\n".encode() + path.read_bytes())
    leads = open_lead_file(path, path.name)
    assert (leads.header, list(leads.rows)) == (HEADER, [(3, person(1), None)])


def test_a_last_line_without_an_end_counts(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [HEADER, person(1), person(2)])
    path.write_bytes(path.read_bytes().rstrip())
    leads = open_lead_file(path, path.name)
    assert (leads.total, len(list(leads.rows))) == (2, 2)


def test_excel_and_csv_of_the_sample_are_the_same() -> None:
    def stripped(name: str) -> list[tuple[int, list[str]]]:
        return [(number, [cell.strip() for cell in cells]) for number, cells in read(SAMPLE / name)]

    assert stripped("leads.xlsx") == stripped("leads_gb18030.csv")


@pytest.mark.parametrize(
    "header",
    [
        ["name", "Mobile Phone", "ID_NUMBER"],
        [" 姓 名 ", "手机号（必填）", "身份证号码*"],
        ["Customer Name", "tel", "id hash"],
    ],
)
def test_headers_are_known_however_written(tmp_path: Path, header: list[str]) -> None:
    leads = open_lead_file(write_csv(tmp_path / "a.csv", [header, ["a", "b", "c"]]), "a.csv")
    assert set(leads.columns.values()) == {0, 1, 2}


def test_blank_lines_are_no_rows_and_numbers_are_those_of_the_sheet(tmp_path: Path) -> None:
    rows = [["", ""], HEADER, [], person(1), ["", " "], person(2), []]
    assert [number for number, _ in read(write_csv(tmp_path / "a.csv", rows))] == [4, 6]
    sheet = write_xlsx(tmp_path / "a.xlsx", {"s": rows})
    assert [number for number, _ in read(sheet)] == [4, 6]


def test_numbers_in_excel_cells(tmp_path: Path) -> None:
    rows = [HEADER, [1, "王", 13812345678, 510104199508024620, None, True], ["", "王", "", 310101650802252]]
    first, second = read(write_xlsx(tmp_path / "a.xlsx", {"s": rows}))
    assert first[1] == ["1", "王", "13812345678", "5.10104199508025E+17", "", "TRUE"]
    assert second[1][3] == "310101650802252"


def test_formula_escapes_are_undone(tmp_path: Path) -> None:
    row = person(1, name="'=王", phone="'+8613812345678")
    assert read(write_csv(tmp_path / "a.csv", [HEADER, row]))[0][1][1:3] == ["=王", "+8613812345678"]


def test_empty_and_hidden_sheets_are_ignored(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", {"空": [], "数据": [HEADER, person(1)]})
    assert read(path) == [(2, person(1))]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_empty"),
        (b"\xef\xbb\xbf", "file_empty"),
        (b"\n\n", "file_empty"),
        ("姓名,手机号,身份证号\n".encode(), "file_no_rows"),
        ("姓名,手机号\n王,1\n".encode(), "file_columns_missing"),
        ("王,13812345678,330106196104293980\n".encode(), "file_columns_missing"),
        ("姓名,手机号,电话,身份证号\n王,1,2,3\n".encode(), "file_columns_twice"),
        ('姓名,手机号,"身份证号\n王,1,2\n'.encode(), "file_quotes"),
        ("name,phone,id_number\n王,1,2\n".encode("utf-16-le"), "file_encoding"),
        (b"name,phone,id_number\xff\xff\nx,1,2\n", "file_encoding"),
    ],
)
def test_unreadable_text(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    error = refusal(path)
    assert error.code == code
    assert "330106196104293980" not in str(error)


def test_a_name_that_lies_about_the_content(tmp_path: Path) -> None:
    text = write_csv(tmp_path / "a.xlsx", [HEADER, person(1)])
    assert refusal(text).code == "file_type"
    assert refusal(SAMPLE / "leads.xlsx", "leads.csv").code == "file_type"
    assert len(read(SAMPLE / "leads.xlsx", "upload")) == 1008


def test_damaged_excel(tmp_path: Path) -> None:
    whole = (SAMPLE / "leads.xlsx").read_bytes()
    path = tmp_path / "a.xlsx"
    path.write_bytes(whole[: len(whole) // 2])
    assert refusal(path).code == "file_corrupt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no workbook")
    assert refusal(path).code == "file_corrupt"


def test_a_workbook_protected_with_a_password(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    padding = b"\0" * ((3 << 20) - 20)  # across the edge of what is read at once
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + padding + "EncryptedPackage".encode("utf-16-le"))
    assert refusal(path).code == "file_password"


def test_several_sheets(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", {"a": [HEADER, person(1)], "b": [HEADER, person(2)]})
    assert refusal(path).code == "file_sheets"
    assert refusal(write_xlsx(path, {"a": [], "b": []})).code == "file_empty"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.csv").code == "file_unreadable"
    assert refusal(tmp_path).code == "file_unreadable"
