"""Cells of a lead file as a screen may show them: enough to recognise a column, not a person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from app.leads.masking import mask_id, mask_ids
from app.leads.reasons import mask_numbers
from app.lib.spreadsheet import parse_date

_LONGEST = 40
_HASH = re.compile(r"[0-9a-fA-F]{64}")
# Eight digits in a row, or ten with something between them (a date has eight).
_NUMBER = re.compile(r"[0-9]{8,}|(?:[0-9][\s\-()./]{0,2}){9,}[0-9]")
_LONG_NUMBER = re.compile(r"\d{7,}")
_IDENTITIES = ("id_number", "id_hash")
_MASKED = ("phone", *_IDENTITIES)


def masked_cells(cells: Sequence[str], columns: Mapping[str, int]) -> list[str]:
    """The cells of a row with every ID number, hash and phone masked; ``columns`` says where they are."""
    fields = {position: field for field, position in columns.items()}
    return [masked_cell(cell, fields.get(position, "")) for position, cell in enumerate(cells)]


def masked_cell(cell: str, field: str = "") -> str:
    """One cell of a column; in the columns of ID and phone whatever stands there is masked."""
    text = " ".join(cell.split())
    if field in _IDENTITIES:
        return mask_id(text[:_LONGEST])
    if field == "phone":
        return _middle_hidden(text[:_LONGEST])
    if field == "expires_on" or parse_date(text) is not None:
        return mask_numbers(text)[:_LONGEST]
    text = _HASH.sub(lambda found: found[0][:3] + "…", mask_ids(text))
    return _NUMBER.sub(lambda found: _middle_hidden(found[0]), text)[:_LONGEST]


def offending(fields: Sequence[str], cells: Sequence[str], columns: Mapping[str, int]) -> str:
    """What stands in the first of ``fields`` that is filled: readable, but no ID number and no phone."""
    for field in fields:
        at = columns.get(field, len(cells))
        if at < len(cells) and (text := masked_cell(cells[at])):
            return (
                _LONG_NUMBER.sub(lambda found: _middle_hidden(found[0]), text) if field in _MASKED else text
            )
    return ""


def _middle_hidden(text: str) -> str:
    head, tail = (0, 0) if len(text) < 7 else (1, 1) if len(text) < 11 else (3, 4)
    return text[:head] + "*" * (len(text) - head - tail) + text[len(text) - tail :]
