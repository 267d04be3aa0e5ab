"""Which column of an uploaded file is which field: proposed by its header, corrected by a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.errors import DomainError, FieldError
from app.leads.columns import HEADERS, field_of
from app.leads.errors import N_, UnreadableFile
from app.leads.reader import FindColumns

#: the columns of a file that can be matched on the screen
MAX_COLUMNS = 100
NOT_IMPORTED = ""


def proposed(header: Sequence[str]) -> dict[str, int]:
    """Field to position as far as the header tells; of two columns of one field the first."""
    columns: dict[str, int] = {}
    for position, cell in enumerate(header[:MAX_COLUMNS]):
        field = field_of(cell)
        if field:
            columns.setdefault(field, position)
    return columns


def matched(chosen: Mapping[int, str], width: int) -> dict[str, int]:
    """Field to position, from the field chosen for each position of a file with ``width`` columns.

    Raises FieldError for ``column_<position>`` when a choice is no field or made before, DomainError when
    the name, the phone or the identity has no column.
    """
    columns: dict[str, int] = {}
    for position, field in sorted(chosen.items()):
        if field == NOT_IMPORTED:
            continue
        if field not in HEADERS or not 0 <= position < width:
            raise FieldError(f"column_{position}", "Choose one of the fields offered.")
        if field in columns:
            raise FieldError(
                f"column_{position}",
                "Column %(first)s is already this field; a field has one column.",
                first=columns[field] + 1,
            )
        columns[field] = position
    _require(columns)
    return columns


def _require(columns: Mapping[str, int]) -> None:
    for field, message in (
        ("name", N_("Choose which column has the customers' names.")),
        ("phone", N_("Choose which column has the phone numbers.")),
    ):
        if field not in columns:
            raise DomainError(message)
    if not columns.keys() & {"id_number", "id_hash"}:
        raise DomainError("Choose which column has the ID numbers or their hashes.")


def finder(columns: Mapping[str, int]) -> FindColumns:
    """The reader's way to the columns that a person matched, whatever the header says."""

    def find(header: Sequence[str], file: str) -> dict[str, int]:
        if max(columns.values()) >= len(header):
            raise UnreadableFile(
                "file_changed", N_("%(file)s has fewer columns than were matched"), file=file
            )
        return dict(columns)

    return find
