"""Matching of an uploaded file's columns to fields: proposed from the header, corrected by a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.errors import N_, DomainError, FieldError
from app.leads.errors import UnreadableFile
from app.leads.kinds import LEADS, FileKind
from app.leads.reader import FindColumns

#: columns of a file that can be matched on the screen
MAX_COLUMNS = 100
NOT_IMPORTED = ""


def propose_columns(header: Sequence[str], kind: FileKind = LEADS) -> dict[str, int]:
    """Return the position of each field that the header names, the first one of several."""
    columns: dict[str, int] = {}
    for position, field in enumerate(kind.fields(header[:MAX_COLUMNS])):
        if field:
            columns.setdefault(field, position)
    return columns


def columns_from_choices(choices: Mapping[int, str], width: int, kind: FileKind = LEADS) -> dict[str, int]:
    """Return the position of each field, from the fields chosen for the ``width`` columns of a file.

    Raises FieldError for ``column_<position>`` when a choice is invalid or made twice, and DomainError when a
    required field has no column.
    """
    columns: dict[str, int] = {}
    for position, field in sorted(choices.items()):
        if field == NOT_IMPORTED:
            continue
        if field not in kind.headers or not 0 <= position < width:
            raise FieldError(f"column_{position}", "Choose one of the fields offered.")
        if field in columns:
            raise FieldError(
                f"column_{position}",
                "Column %(first)s is already matched to this field; a field can have only one column.",
                first=columns[field] + 1,
            )
        columns[field] = position
    missing = kind.missing_column(columns)
    if missing:
        raise DomainError(missing)
    return columns


def fixed_columns(columns: Mapping[str, int]) -> FindColumns:
    """Return a FindColumns that gives the matched columns, whatever the header says."""

    def find(header: Sequence[str], file: str) -> dict[str, int]:
        if max(columns.values()) >= len(header):
            raise UnreadableFile(
                "file_changed", N_("%(file)s has fewer columns than were matched"), file=file
            )
        return dict(columns)

    return find
