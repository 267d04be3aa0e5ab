"""Error files: the rejected rows of an import, to be corrected and uploaded again, without ID numbers.

A workbook gets a workbook as its error file. A valid ID number is represented by its keyed hash, so that only
what was wrong has to be typed again.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from gettext import NullTranslations
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Self

from babel.support import Translations

from app.errors import N_
from app.leads.columns import fields_by_alias, normalise_header
from app.leads.errors import InvalidIdNumber, RowError
from app.leads.identity import IdHasher, canonical_id
from app.leads.masking import mask_id, mask_ids
from app.lib.lazy import lazy
from app.lib.spreadsheet import safe_cell, safe_workbook_cell, temporary_files_in
from config import Settings

if TYPE_CHECKING:
    import openpyxl
else:
    openpyxl = lazy("openpyxl")


ADDED_COLUMNS = ("行号 row", "原因代码 reason", "原因 explanation")
_TYPED_AS_TEXT = ("phone", "id_number", "id_hash")
#: a cell of the ID column that may be part of an ID number; shorter ones are not masked
_LONG = re.compile(r"(?:\d\D*){7}|\*{3}")
_TYPE_AGAIN = N_("ID numbers are never stored, and neither is this one: type the whole number again")
_TRANSLATIONS = Path(__file__).parents[1] / "translations"

Headers = Mapping[str, Sequence[str]]


@cache
def _chinese() -> NullTranslations:
    return Translations.load(str(_TRANSLATIONS), ["zh"])


def error_file_path(settings: Settings, batch_id: int, suffix: str = ".csv") -> Path:
    """Return the path of a batch's error file, whether it exists or not."""
    return _folder(settings) / f"{batch_id}{suffix}"


def remove_error_file(settings: Settings, batch_id: int) -> None:
    """Delete the error file of a batch, complete or not, if there is one."""
    for path in _folder(settings).glob(f"{batch_id}[.-]*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "exports" / "import-errors"


class ErrorFile:
    """Writes rejected rows to a .csv or .xlsx that appears at ``path`` only with ``keep``."""

    def __init__(
        self,
        path: Path,
        header: Sequence[str],
        columns: Mapping[str, int],
        headers: Headers,
        hasher: IdHasher,
    ) -> None:
        """``columns`` are the positions of fields in ``header``, ``headers`` their accepted names."""
        self.path = path
        self.rows = 0
        self._part = path.with_suffix(".part")
        self._hasher = hasher
        self._positions = [at for at, title in enumerate(header) if title not in ADDED_COLUMNS]
        self._fields = {at: field for field, at in columns.items()}
        self._id_column = columns.get("id_number")
        titles = _recognisable_titles(header, self._fields, headers)
        self._hash_column = columns.get("id_hash", len(header))
        if self._id_column is not None and self._hash_column == len(header):
            self._positions.append(len(header))
            self._fields[len(header)] = "id_hash"
            titles.append(headers["id_hash"][0 if any(not title.isascii() for title in titles) else -1])
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._stream = open(handle, "w", encoding="utf-8-sig", newline="")  # noqa: SIM115
        self._writer = csv.writer(self._stream)
        self._writer.writerow([*(safe_cell(mask_ids(titles[at])) for at in self._positions), *ADDED_COLUMNS])

    def add(self, number: int, cells: Sequence[str], error: RowError) -> None:
        """Add a rejected row, with ID numbers masked and formulas turned into text."""
        given = {at: cells[at] if at < len(cells) else "" for at in self._positions}
        id_number = given.get(self._id_column, "") if self._id_column is not None else ""
        if id_number and not given.get(self._hash_column, "").strip():
            given[self._hash_column] = self._hash_of(id_number)
        explanations = [f"{error.explain(_chinese().gettext)} / {error.explain()}"]
        if _LONG.search(id_number) and not given[self._hash_column]:
            explanations.append(f"{_chinese().gettext(_TYPE_AGAIN)} / {_TYPE_AGAIN}")
        self._writer.writerow(
            [
                *(self._safe(at, cell) for at, cell in given.items()),
                number,
                error.reason,
                "; ".join(explanations),
            ]
        )
        self.rows += 1

    def _safe(self, at: int, cell: str) -> str:
        return safe_cell(mask_id(cell) if at == self._id_column and _LONG.search(cell) else mask_ids(cell))

    def _hash_of(self, id_number: str) -> str:
        try:
            return self._hasher.hash(canonical_id(id_number))
        except InvalidIdNumber:
            return ""

    def keep(self) -> None:
        """Complete the file and move it to its path."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        if self.path.suffix == ".xlsx":
            self._convert_to_workbook()
        self._part.replace(self.path)

    def _convert_to_workbook(self) -> None:
        # openpyxl keeps the sheet in a temporary file, which must not be left where nobody deletes it.
        with (
            TemporaryDirectory(dir=self.path.parent, prefix=f"{self.path.stem}-") as scratch,
            temporary_files_in(scratch),
        ):
            book = openpyxl.Workbook(write_only=True)
            sheet = book.create_sheet()
            as_text = [self._fields.get(at) in _TYPED_AS_TEXT for at in self._positions]
            for row in self._written_rows():
                cells = [openpyxl.cell.WriteOnlyCell(sheet, safe_workbook_cell(cell) or None) for cell in row]
                for cell in (cell for cell, text in zip(cells, as_text, strict=False) if text):
                    cell.number_format = "@"
                sheet.append(cells)
            book.save(self._part)

    def _written_rows(self) -> Iterator[list[str]]:
        with self._part.open(encoding="utf-8-sig", newline="") as stream:
            yield from csv.reader(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._part.unlink(missing_ok=True)


def _recognisable_titles(header: Sequence[str], fields: Mapping[int, str], headers: Headers) -> list[str]:
    """Return the column names, with recognised ones in place of those that were matched by hand."""
    known = fields_by_alias(headers)
    return [
        headers[fields[at]][0] if at in fields and known.get(normalise_header(title)) != fields[at] else title
        for at, title in enumerate(header)
    ]
