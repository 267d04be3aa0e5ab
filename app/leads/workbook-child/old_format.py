"""What xlrd sees in an .xls file and calamine does not: what is hidden, and failed formulas."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from refusal import Refused

_MOST_LOOKED_AT = 64 << 20

#: texts by row number and position
Errors = dict[tuple[int, int], str]


def shown_sheets(file: BinaryIO) -> list[Any]:
    """The visible sheets of an .xls file as xlrd sees them; none of one too large or odd to be looked at."""
    import xlrd

    if file.seek(0, io.SEEK_END) > _MOST_LOOKED_AT:
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
    """The oddities ``hidden_columns`` and ``hidden_rows`` that some sheets have."""
    columns = any(info.hidden for sheet in shown for info in sheet.colinfo_map.values())
    rows = any(info.hidden for sheet in shown for info in sheet.rowinfo_map.values())
    return ({"hidden_columns"} if columns else set()) | ({"hidden_rows"} if rows else set())


def errors(shown: list[Any]) -> Errors:
    """What failed formulas show; calamine gives nothing for them."""
    from xlrd import XL_CELL_ERROR, error_text_from_code

    return {
        (row + 1, column): error_text_from_code.get(sheet.cell_value(row, column), "#N/A")
        for sheet in shown
        for row in range(sheet.nrows)
        for column, kind in enumerate(sheet.row_types(row))
        if kind == XL_CELL_ERROR
    }
