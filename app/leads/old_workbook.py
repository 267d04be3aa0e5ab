"""Looks over an .xls file: what its reader can't see or a person may not expect."""

from __future__ import annotations

from pathlib import Path

import xlrd
from xlrd.sheet import Sheet

from app.errors import N_
from app.leads.errors import UnreadableFile

_VISIBLE = 0
_MOST_BYTES = 64 << 20


def oddities(path: Path, file: str) -> list[str]:
    """Some of ``merged_header``, ``merged_rows``, ``hidden_columns``, ``hidden_rows``, ``hidden_sheets``.

    Raises UnreadableFile for a file that is protected. A file that is too large or too odd to be looked over
    has nothing; whether it can be read at all is its reader's matter. An .xls file keeps the results of
    formulas always.
    """
    if path.stat().st_size > _MOST_BYTES:
        return []
    try:
        content = path.read_bytes()
        with xlrd.open_workbook(file_contents=content, formatting_info=True, logfile=_Silent()) as book:
            return _odd_in(book.sheets())
    except Exception as error:  # noqa: BLE001 - xlrd raises whatever a damaged record leads it to
        if isinstance(error, xlrd.XLRDError) and "encrypted" in str(error):
            raise UnreadableFile(
                "file_password", N_("%(file)s is protected with a password; save it without one"), file=file
            ) from None
        return []


def _odd_in(sheets: list[Sheet]) -> list[str]:
    shown = [sheet for sheet in sheets if sheet.visibility == _VISIBLE]
    merged = [area for sheet in shown for area in sheet.merged_cells]
    found = {
        "merged_header": any(first == 0 for first, _end, _left, _right in merged),
        "merged_rows": any(end > 1 for _first, end, _left, _right in merged),
        "hidden_columns": any(info.hidden for sheet in shown for info in sheet.colinfo_map.values()),
        "hidden_rows": any(info.hidden for sheet in shown for info in sheet.rowinfo_map.values()),
        "hidden_sheets": len(shown) < len(sheets),
    }
    return [name for name, is_there in found.items() if is_there]


class _Silent:
    """Takes what xlrd would print."""

    def write(self, text: str) -> int:
        """Forget it."""
        return len(text)

    def flush(self) -> None:
        """Nothing to do."""
