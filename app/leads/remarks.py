"""Remarks: what was left out of accepted rows, which nobody would notice in the list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from app.errors import N_, Said
from app.leads.samples import masked_cell

#: remarks kept of a file; the others are only counted
MAX_KEPT = 20

Note = Callable[..., None]
"""Called with a row's number, the field, the message and its values."""

LOST = N_("Row %(row)s, column %(column)s %(title)s: %(lost)s can't be part of a text and was left out")
NO_VALUE = N_("Row %(row)s, column %(column)s %(title)s: “%(value)s” says nothing and was left out")
CUT = N_("Row %(row)s, column %(column)s %(title)s: “%(value)s” was cut to %(most)s characters")
NO_LEAD_NUMBER = N_(
    "Row %(row)s, column %(column)s %(title)s: “%(value)s” can't be a lead number; the lead gets another"
)


class Remarks:
    """The remarks of one pass over a file: their number, and the first of them."""

    def __init__(self, header: Sequence[str] = (), columns: Mapping[str, int] = MappingProxyType({})) -> None:
        self._header, self._columns = header, columns
        self.count = 0
        self.first: list[Said] = []

    def note(self, row: int, field: str, message: str, **values: object) -> None:
        """Count a remark on a field of a row, and keep the first MAX_KEPT."""
        self.count += 1
        if len(self.first) < MAX_KEPT:
            at = self._columns[field]
            place = {"row": row, "column": at + 1, "title": f"({masked_cell(self._header[at])})"}
            self.first.append(Said(message, {**place, **values}))

    def as_json(self) -> dict[str, Any]:
        """Return the remarks for storage with the batch."""
        return {"count": self.count, "first": [each.as_json() for each in self.first]}
