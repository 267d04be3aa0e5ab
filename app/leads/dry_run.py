"""What a dry run keeps for its page: the figures, and for each reason a few refused rows, masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.leads.errors import RowError
from app.leads.importer import ImportResult
from app.leads.samples import masked_cell

EXAMPLES = 3
#: the fields an example shows
SHOWN = ("name", "phone", "id_number", "id_hash")


class Examples:
    """The ``rejected`` of an import: collects the first refused rows of each reason."""

    def __init__(self, columns: Mapping[str, int]) -> None:
        self._columns = columns
        self.by_reason: dict[str, list[dict[str, Any]]] = {}

    def __call__(self, number: int, cells: Sequence[str], error: RowError) -> None:
        """Keep the row unless its reason has enough. Nothing of it is kept in clear but the name."""
        kept = self.by_reason.setdefault(error.reason, [])
        if len(kept) < EXAMPLES:
            kept.append(
                {
                    "row": number,
                    **error.said.as_json(),
                    "value": error.value,
                    "cells": {field: self._cell(cells, field) for field in SHOWN if field in self._columns},
                }
            )

    def _cell(self, cells: Sequence[str], field: str) -> str:
        position = self._columns[field]
        return masked_cell(cells[position], field) if position < len(cells) else ""


def outcome(result: ImportResult, examples: Examples) -> dict[str, Any]:
    """The dry run as it is kept with its batch."""
    return {
        "read": result.read,
        "created": result.created,
        "updated": result.updated,
        "existing": result.existing,
        "rejected": result.rejected,
        "examples": examples.by_reason,
        "remarks": result.remarks.as_json(),
    }
