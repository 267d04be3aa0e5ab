"""Error files: once the reported errors are corrected, every row of the file is imported."""

from __future__ import annotations

import datetime as dt
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from app.leads.identity import IdHasher
from app.leads.importer import ImportOrder, ImportResult, run_import
from app.leads.matching import fixed_columns
from app.leads.suppression_file import SuppressionIntake
from tests.leads.support import HEADER, Importer, error_table, id_number, person, write_csv, write_xlsx

ADDED = ["行号 row", "原因代码 reason", "原因 explanation"]
PEOPLE = "SELECT name, id_hash, phone_masked FROM lead ORDER BY id"
WRONG = id_number(4)[:17] + ("0" if id_number(4)[17] != "0" else "1")
ROWS = [
    person(1),
    person(2, phone="12"),
    person(3, name="#N/A"),
    person(4, id_number=WRONG),
    person(5, branch="-", name="'=王"),
]


def write(path: Path, rows: list[list[Any]]) -> Path:
    return write_csv(path, rows) if path.suffix == ".csv" else write_xlsx(path, {"s": rows})


def hashed(importer: Importer, serial: int) -> str:
    settings = importer.settings
    return IdHasher(settings.id_hash_algorithm, settings.id_hash_key).hash(id_number(serial))


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_only_what_was_wrong_needs_to_be_typed(importer: Importer, form: str) -> None:
    result = importer.file(write(importer.folder / f"a.{form}", [HEADER, *ROWS]))
    path = Path(str(result.error_file))
    assert (path.suffix, stat.S_IMODE(path.stat().st_mode)) == (f".{form}", 0o600)
    assert sorted(importer.kept_files()) == [path.name]
    header, *rows = error_table(result)
    assert header == [*HEADER, "身份证哈希", *ADDED]
    assert [row[6] for row in rows] == [hashed(importer, 2), hashed(importer, 3), "", hashed(importer, 5)]
    assert all(set(row[3][3:16]) == {"*"} for row in rows)
    assert "请重新填写完整号码" in rows[2][9]
    assert "type the whole number again" in rows[2][9]

    assert importer.file(path).rejected == result.rejected

    rows[0][2], rows[1][1], rows[2][3], rows[3][5] = "13800000002", "王三", id_number(4), "西湖"
    fixed = importer.file(write(importer.folder / f"b.{form}", [header, *rows]))
    assert (fixed.created, fixed.rejected, fixed.error_file) == (4, {}, None)
    assert importer.query(PEOPLE) == [
        ("王1", hashed(importer, 1), "138****0001"),
        ("王2", hashed(importer, 2), "138****0002"),
        ("王三", hashed(importer, 3), "138****0003"),
        ("王4", hashed(importer, 4), "138****0004"),
        ("=王", hashed(importer, 5), "138****0005"),
    ]


def test_a_number_that_is_not_the_hashs_is_refused(importer: Importer) -> None:
    header, row = error_table(importer.rows(person(2, phone="12")))
    row[2], row[3] = "13800000002", id_number(3)
    result = importer.file(write_csv(importer.folder / "b.csv", [header, row]))
    assert result.rejected == {"invalid_id_number": 1}


def test_cells_that_are_typed_into_a_workbook_stay_text(importer: Importer) -> None:
    result = importer.file(write_xlsx(importer.folder / "a.xlsx", {"s": [HEADER, *ROWS]}))
    sheet = openpyxl.load_workbook(str(result.error_file)).worksheets[0]
    formats = [cell.number_format for cell in sheet[4]]
    assert formats[2:4] == ["@", "@"]
    assert formats[6] == "@"
    assert formats[1] == "General"


@pytest.mark.parametrize(
    ("header", "title"),
    [(["name", "mobile", "id_card"], "id_hash"), (["姓名", "手机", "身份证"], "身份证哈希")],
)
def test_the_column_of_the_hash_speaks_the_language_of_the_others(
    importer: Importer, header: list[str], title: str
) -> None:
    path = write_csv(importer.folder / "a.csv", [header, ["王", "12", id_number(1)]])
    assert error_table(importer.file(path))[0] == [*header, title, *ADDED]


def test_a_column_of_hashes_that_is_there_is_filled(importer: Importer) -> None:
    header = ["姓名", "手机", "身份证", "ID hash"]
    rows = [["王", "12", id_number(1), ""], ["李", "12", "", hashed(importer, 2)]]
    found = error_table(importer.file(write_csv(importer.folder / "a.csv", [header, *rows])))
    assert found[0] == [*header, *ADDED]
    assert [row[3] for row in found[1:]] == [hashed(importer, 1), hashed(importer, 2)]


def test_columns_that_a_person_matched_are_recognised_next_time(importer: Importer) -> None:
    path = write_csv(importer.folder / "a.csv", [["甲", "乙", "丙"], ["王", "12", id_number(1)]])
    result = importer.file(path, find=fixed_columns({"name": 0, "phone": 1, "id_number": 2}))
    assert error_table(result)[0] == ["客户姓名", "联系电话", "身份证号", "身份证哈希", *ADDED]
    assert importer.file(Path(str(result.error_file))).rejected == {"invalid_phone": 1}


def test_a_damaged_row_comes_back_with_what_could_be_read(importer: Importer) -> None:
    path = write_csv(importer.folder / "a.csv", [HEADER, person(1)])
    bad = ",".join(person(2)).replace("王2", '"王"2') + "\n"
    path.write_bytes(
        path.read_bytes() + bad.encode() + ",".join(person(3, name="王")).encode().replace(b"\x8b", b"")
    )
    result = importer.file(path)
    assert result.rejected == {"malformed_row": 1, "undecodable": 1}
    _header, quoted, broken = error_table(result)
    assert (quoted[1], quoted[6]) == ("王2", hashed(importer, 2))
    assert broken[1] == "\ufffd" * 2
    again = importer.file(Path(str(result.error_file)))
    assert (again.created, again.rejected) == (1, {"invalid_name": 1})


def test_a_do_not_disturb_file_too(importer: Importer) -> None:
    def suppress(path: Path) -> ImportResult:
        intake = SuppressionIntake(importer.settings, reason="x", user="clerk", today=dt.date(2026, 11, 29))
        find = fixed_columns({"id_number": 0, "expires_on": 1} | ({"id_hash": 2} if path.stem == "b" else {}))
        return run_import(
            importer.engine, ImportOrder(path, path.name, "clerk", importer.settings, find=find), intake
        )

    path = write_xlsx(importer.folder / "a.xlsx", {"s": [["证件", "到期"], [id_number(1), "12/31/2027"]]})
    header, row = error_table(suppress(path))
    assert header == ["身份证号", "有效期至", "身份证哈希", *ADDED]
    assert row[2] == hashed(importer, 1)
    row[1] = "2027年12月31日"
    assert suppress(write_xlsx(importer.folder / "b.xlsx", {"s": [header, row]})).created == 1
    assert importer.query("SELECT id_hash, expires_on::text FROM suppression") == [
        (hashed(importer, 1), "2027-12-31")
    ]


def test_the_command_goes_round(cli: Callable[..., Any], tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", {"s": [HEADER, *ROWS]})
    first = json.loads(cli("leads", "import", path, "--json").stdout)
    assert first["error_file"].endswith(".xlsx")
    again = json.loads(cli("leads", "import", first["error_file"], "--json").stdout)
    assert again["rejected"] == first["rejected"]
