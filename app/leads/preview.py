"""Preview of an uploaded file: its columns, first rows and warnings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from app.errors import N_
from app.leads.errors import UnreadableFile
from app.leads.kinds import LEADS, FileKind
from app.leads.masking import mask_ids
from app.leads.matching import MAX_COLUMNS, propose_columns
from app.leads.reader import open_lead_file
from app.leads.samples import masked_cell, masked_cells
from app.leads.workbook import DEFAULT_LIMITS, Limits, Percent

SAMPLE_ROWS = 3
#: share of the work, in percent, that the inspection of a workbook takes
_INSPECTION_SHARE = 60
_LOST_DIGITS = re.compile(r"[0-9](\.[0-9]+)?E\+?[0-9]+", re.IGNORECASE)
#: warnings that don't refuse a file
WARNINGS = {
    "merged_header": N_("The first row has merged cells; only the first of them keeps its title."),
    "merged_rows": N_("Some cells are merged; their value is read into each of their rows."),
    "formulas": N_("Some cells hold formulas without a stored result and are read as empty."),
    "hidden_columns": N_("The sheet has hidden columns; they are read like the others."),
    "hidden_rows": N_("The sheet has hidden or filtered rows; they are imported like the others."),
    "hidden_sheets": N_("The file has hidden sheets; they are not read."),
    "lost_digits": N_(
        "Excel stored ID or phone numbers as numbers and lost digits: format the column as text."
    ),
}


@dataclass(frozen=True)
class Preview:
    """The masked preview of a file; ``warnings`` are keys of WARNINGS."""

    header: list[str]
    rows: list[list[str]]
    columns: dict[str, int]
    total: int
    warnings: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the preview for storage with the batch."""
        return asdict(self)


def preview_file(
    path: Path,
    file_name: str,
    kind: FileKind = LEADS,
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Percent = lambda done: None,
) -> Preview:
    """Inspect an uploaded file and read its first rows. Raises UnreadableFile when it can't be imported."""
    file = mask_ids(file_name)
    opened = open_lead_file(
        path,
        file,
        lambda header, _file: propose_columns(header, kind),
        limits=limits,
        progress=lambda done: progress(done * _INSPECTION_SHARE // 100),
    )
    rows = [row.cells for row in islice(opened.rows, SAMPLE_ROWS)]
    _refuse_title(opened.header, rows, file, kind)
    width = min(len(opened.header), MAX_COLUMNS)
    lost = any(_LOST_DIGITS.fullmatch(cell.strip()) for cells in rows for cell in cells)
    return Preview(
        [masked_cell(cell) for cell in opened.header[:width]],
        [masked_cells(cells[:width], opened.columns) for cells in rows],
        opened.columns,
        opened.total,
        [*opened.oddities, *(["lost_digits"] if lost else [])],
    )


def _refuse_title(header: Sequence[str], rows: Sequence[Sequence[str]], file: str, kind: FileKind) -> None:
    """Refuse a file with a title above the header, the commonest reason for unrecognised columns."""

    def recognised(cells: Sequence[str]) -> int:
        return sum(field is not None for field in kind.fields(cells))

    known = max(1, recognised(header))
    if any(recognised(cells) > known for cells in rows):
        raise UnreadableFile(
            "file_title_rows",
            N_("%(file)s has other rows above the row with the column names; delete them"),
            file=file,
        )
