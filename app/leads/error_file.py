"""The rows of an import that were refused, as a CSV to correct and upload again. Never holds an ID number."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from functools import cache
from gettext import NullTranslations
from pathlib import Path
from types import TracebackType
from typing import Self

from babel.support import Translations

from app.cells import safe_cell
from app.leads.errors import RowError
from app.leads.masking import mask_id, mask_ids
from config import Settings

ADDED_COLUMNS = ("行号 row", "原因代码 reason", "原因 explanation")
_TRANSLATIONS = Path(__file__).parents[1] / "translations"


@cache
def _chinese() -> NullTranslations:
    return Translations.load(str(_TRANSLATIONS), ["zh"])


def error_file_path(settings: Settings, batch_id: int) -> Path:
    """Where the error file of a batch lies, if it has one."""
    return settings.data_dir / "exports" / "import-errors" / f"{batch_id}.csv"


def remove_error_file(settings: Settings, batch_id: int) -> None:
    """Delete the error file of a batch that failed, whether complete or not; nothing if there is none."""
    path = error_file_path(settings, batch_id)
    path.unlink(missing_ok=True)
    _part(path).unlink(missing_ok=True)


def _part(path: Path) -> Path:
    return path.with_suffix(".part")


class ErrorFile:
    """Writes refused rows next to ``path``; the file appears there only through ``keep``."""

    def __init__(self, path: Path, header: Sequence[str], columns: dict[str, int]) -> None:
        self.path = path
        self._part = _part(path)
        self._delivered = [at for at, title in enumerate(header) if title not in ADDED_COLUMNS]
        self._id_column = columns.get("id_number")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._stream = open(handle, "w", encoding="utf-8-sig", newline="")  # noqa: SIM115
        self._writer = csv.writer(self._stream)
        self._writer.writerow([*self._safe_cells(header), *ADDED_COLUMNS])
        self.rows = 0

    def add(self, number: int, cells: Sequence[str], error: RowError) -> None:
        """One refused row, with every ID number in it masked and every formula made text."""
        explanation = f"{error.told(_chinese().gettext)} / {error.told()}"
        self._writer.writerow([*self._safe_cells(cells, is_data=True), number, error.reason, explanation])
        self.rows += 1

    def _safe_cells(self, cells: Sequence[str], *, is_data: bool = False) -> list[str]:
        given = [cells[at] if at < len(cells) else "" for at in self._delivered]
        return [
            safe_cell(mask_id(cell) if is_data and at == self._id_column else mask_ids(cell))
            for at, cell in zip(self._delivered, given, strict=True)
        ]

    def keep(self) -> None:
        """Make the file appear under its name, complete."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        self._part.replace(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._part.unlink(missing_ok=True)
