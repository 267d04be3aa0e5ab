"""The result of a dry run as its page shows it: figures, and a few masked rejected rows for each reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.leads.errors import RowError
from app.leads.importer import ImportResult
from app.leads.samples import masked_cell

MAX_EXAMPLES = 3
#: fields that an example shows
FIELDS = ("name", "phone", "id_number", "id_hash", "lead_no", "outcome_id")


class Examples:
    """Collects the first rejected rows of each reason, as the ``rejected`` callback of an import."""

    def __init__(self, columns: Mapping[str, int]) -> None:
        self._columns = columns
        self.by_reason: dict[str, list[dict[str, Any]]] = {}

    def __call__(self, number: int, cells: Sequence[str], error: RowError) -> None:
        """Keep the row unless its reason has enough examples. Only the name is kept in clear."""
        examples = self.by_reason.setdefault(error.reason, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(
                {
                    "row": number,
                    **error.said.as_json(),
                    "value": error.value,
                    "cells": {field: self._cell(cells, field) for field in FIELDS if field in self._columns},
                }
            )

    def _cell(self, cells: Sequence[str], field: str) -> str:
        position = self._columns[field]
        return masked_cell(cells[position], field) if position < len(cells) else ""


def summary(result: ImportResult, examples: Examples) -> dict[str, Any]:
    """Return the result of a dry run for storage with its batch."""
    return {
        "read": result.read,
        "created": result.created,
        "updated": result.updated,
        "existing": result.existing,
        "unmatched": result.unmatched,
        "rejected": result.rejected,
        "examples": examples.by_reason,
        "remarks": result.remarks.as_json(),
    }
