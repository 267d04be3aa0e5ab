"""Parts of .xls files that xlrd reads and calamine doesn't: hidden rows and columns, failed formulas."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from refusal import Refused

_MAX_BYTES = 64 << 20

#: texts by row number and position
Errors = dict[tuple[int, int], str]


def shown_sheets(file: BinaryIO) -> list[Any]:
    """Return the visible sheets of an .xls file, none for one that is too large or that xlrd can't read."""
    import xlrd

    if file.seek(0, io.SEEK_END) > _MAX_BYTES:
        return []
    file.seek(0)
    content = file.read()
    try:
        with xlrd.open_workbook(file_contents=content, formatting_info=True, logfile=io.StringIO()) as book:
            return [sheet for sheet in book.sheets() if sheet.visibility == 0]
    except Exception as error:  # noqa: BLE001 - xlrd raises whatever a damaged record leads it to
        if isinstance(error, xlrd.XLRDError) and "encrypted" in str(error):
            raise Refused("file_password") from None
        return []


def hidden(shown: list[Any]) -> set[str]:
    """Return the oddities of the sheets: ``hidden_columns`` and ``hidden_rows``."""
    columns = any(info.hidden for sheet in shown for info in sheet.colinfo_map.values())
    rows = any(info.hidden for sheet in shown for info in sheet.rowinfo_map.values())
    return ({"hidden_columns"} if columns else set()) | ({"hidden_rows"} if rows else set())


def errors(shown: list[Any]) -> Errors:
    """Return the texts of failed formulas, for which calamine gives no value."""
    from xlrd import XL_CELL_ERROR, error_text_from_code

    return {
        (row + 1, column): error_text_from_code.get(sheet.cell_value(row, column), "#N/A")
        for sheet in shown
        for row in range(sheet.nrows)
        for column, kind in enumerate(sheet.row_types(row))
        if kind == XL_CELL_ERROR
    }
