"""Files of rejected rows: one CSV file for each delivered file."""

import csv
from pathlib import Path

import duckdb

from app.activity.formats.rows import FIELDS
from app.activity.result import FileRecord
from app.lib.spreadsheet import printable_name, safe_cell

_ROWS = 10_000
_SQL = """
SELECT row.* FROM (SELECT rejected[1] AS row FROM checked WHERE file_no = $file_no AND rejected IS NOT NULL)
ORDER BY row.line_no
"""


def write_rejects(
    connection: duckdb.DuckDBPyConnection, folder: Path, file_no: int, record: FileRecord
) -> str:
    """Write the rejected rows of a checked file. Return the new file's name relative to the folder."""
    name = f"rejected/{record.digest[:16]}.csv"
    (folder / name).parent.mkdir(exist_ok=True)
    file = _cell(printable_name(record.path.name))
    rows = connection.execute(_SQL, {"file_no": file_no})
    with (folder / name).open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "line", "reason", *FIELDS, "raw"])
        while part := rows.fetchmany(_ROWS):
            writer.writerows([file, line, *map(_cell, cells)] for line, *cells in part)
    return name


def _cell(value: str | None) -> str:
    return safe_cell((value or "").replace("\0", "\ufffd"))
