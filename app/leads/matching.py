"""Which column of an uploaded file is which field: proposed by its header, corrected by a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.errors import N_, DomainError, FieldError
from app.leads.errors import UnreadableFile
from app.leads.kinds import LEADS, FileKind
from app.leads.reader import FindColumns

#: the columns of a file that can be matched on the screen
MAX_COLUMNS = 100
NOT_IMPORTED = ""


def proposed(header: Sequence[str], kind: FileKind = LEADS) -> dict[str, int]:
    """Field to position as far as the header tells; of two columns of one field the first."""
    columns: dict[str, int] = {}
    for position, field in enumerate(kind.fields(header[:MAX_COLUMNS])):
        if field:
            columns.setdefault(field, position)
    return columns


def matched(chosen: Mapping[int, str], width: int, kind: FileKind = LEADS) -> dict[str, int]:
    """Field to position, from the field chosen for each position of a file with ``width`` columns.

    Raises FieldError for ``column_<position>`` when a choice is no field or made before, DomainError when
    a field that the kind of file needs has no column.
    """
    columns: dict[str, int] = {}
    for position, field in sorted(chosen.items()):
        if field == NOT_IMPORTED:
            continue
        if field not in kind.headers or not 0 <= position < width:
            raise FieldError(f"column_{position}", "Choose one of the fields offered.")
        if field in columns:
            raise FieldError(
                f"column_{position}",
                "Column %(first)s is already this field; a field has one column.",
                first=columns[field] + 1,
            )
        columns[field] = position
    lacking = kind.lacks(columns)
    if lacking:
        raise DomainError(lacking)
    return columns


def finder(columns: Mapping[str, int]) -> FindColumns:
    """The reader's way to the columns that a person matched, whatever the header says."""

    def find(header: Sequence[str], file: str) -> dict[str, int]:
        if max(columns.values()) >= len(header):
            raise UnreadableFile(
                "file_changed", N_("%(file)s has fewer columns than were matched"), file=file
            )
        return dict(columns)

    return find
