"""Masked cells of lead files for screens: enough to recognise a column, but not a person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from app.leads.masking import mask_id, mask_ids
from app.leads.reasons import mask_numbers
from app.lib.spreadsheet import parse_date

_LONGEST = 40
_HASH = re.compile(r"[0-9a-fA-F]{64}")
# Eight consecutive digits, or ten with separators (a date has eight).
_NUMBER = re.compile(r"[0-9]{8,}|(?:[0-9][\s\-()./]{0,2}){9,}[0-9]")
_LONG_NUMBER = re.compile(r"\d{7,}")
_IDENTITIES = ("id_number", "id_hash")
_MASKED = ("phone", *_IDENTITIES)


def masked_cells(cells: Sequence[str], columns: Mapping[str, int]) -> list[str]:
    """Mask ID numbers, hashes and phones in the cells of a row; ``columns`` are the positions of fields."""
    fields = {position: field for field, position in columns.items()}
    return [masked_cell(cell, fields.get(position, "")) for position, cell in enumerate(cells)]


def masked_cell(cell: str, field: str = "") -> str:
    """Mask the numbers in a cell. In the columns of ID and phone everything is masked."""
    text = " ".join(cell.split())
    if field in _IDENTITIES:
        return mask_id(text[:_LONGEST])
    if field == "phone":
        return _hide_middle(text[:_LONGEST])
    if field == "expires_on" or parse_date(text) is not None:
        return mask_numbers(text)[:_LONGEST]
    text = _HASH.sub(lambda match: match[0][:3] + "…", mask_ids(text))
    return _NUMBER.sub(lambda match: _hide_middle(match[0]), text)[:_LONGEST]


def offending_value(fields: Sequence[str], cells: Sequence[str], columns: Mapping[str, int]) -> str:
    """Return the masked value of the first of ``fields`` that is filled."""
    for field in fields:
        at = columns.get(field, len(cells))
        if at < len(cells) and (text := masked_cell(cells[at])):
            return _LONG_NUMBER.sub(lambda match: _hide_middle(match[0]), text) if field in _MASKED else text
    return ""


def _hide_middle(text: str) -> str:
    head, tail = (0, 0) if len(text) < 7 else (1, 1) if len(text) < 11 else (3, 4)
    return text[:head] + "*" * (len(text) - head - tail) + text[len(text) - tail :]
