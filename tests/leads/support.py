"""Builders of lead files for the tests of the leads package."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
from sqlalchemy import Engine, text
from stdnum.cn import ric

from app.leads.importer import ImportResult, import_leads
from config import Settings

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
FAULTS = SAMPLE.parent / "faults"
HEADER = ["线索编号", "客户姓名", "联系电话", "身份证号", "来源渠道", "所属机构"]


def id_number(serial: int) -> str:
    """Return a valid ID number, a different one for every serial below 1,000,000."""
    month, day, order = 1 + serial // 50 % 12, 1 + serial // 600 % 28, serial // 16800
    body = f"330106{1950 + serial % 50}{month:02d}{day:02d}{order:03d}"
    return f"{body}{ric.calc_check_digit(body + '0')}"


def person(serial: int, **changes: str) -> list[str]:
    """Return a valid row, in the order of HEADER."""
    row = {
        "lead_no": f"L{1000 + serial}",
        "name": f"王{serial}",
        "phone": f"138{serial:08d}",
        "id_number": id_number(serial),
        "source": "抖音推广",
        "branch": "HZ-XIHU",
    }
    return list((row | changes).values())


def write_csv(
    path: Path, rows: Iterable[Sequence[str]], *, encoding: str = "utf-8", separator: str = ","
) -> Path:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=separator).writerows(rows)
    path.write_bytes(buffer.getvalue().encode(encoding))
    return path


def write_xlsx(path: Path, sheets: dict[str, Sequence[Sequence[Any]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def error_table(result: ImportResult) -> list[list[str]]:
    """Return the cells of an import's error file as a spreadsheet program shows them."""
    path = Path(str(result.error_file))
    if path.suffix == ".csv":
        return list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    sheet = openpyxl.load_workbook(path).worksheets[0]
    return [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]


class Importer:
    """Imports into one database as one user."""

    def __init__(self, engine: Engine, settings: Settings, folder: Path) -> None:
        self.engine = engine
        self.settings = settings
        self.folder = folder

    def file(self, path: Path, **options: Any) -> ImportResult:
        return import_leads(
            self.engine,
            path,
            **{"file_name": path.name, "user": "clerk", "settings": self.settings, **options},
        )

    def rows(self, *rows: Sequence[str], **options: Any) -> ImportResult:
        return self.file(write_csv(self.folder / "leads.csv", [HEADER, *rows]), **options)

    def query(self, statement: str, **values: Any) -> list[Any]:
        """Return the rows of a query; a row of one column becomes its value."""
        with self.engine.connect() as connection:
            found = connection.execute(text(statement), values).all()
        return [row[0] if len(row) == 1 else tuple(row) for row in found]

    def execute(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def kept_files(self) -> list[str]:
        """Return the names of the files that imports have left under DATA_DIR."""
        folder = self.settings.data_dir / "exports"
        return sorted(path.name for path in folder.rglob("*") if path.is_file())
