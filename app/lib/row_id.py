"""Parsing of row keys and other whole numbers."""

from __future__ import annotations

import re

from werkzeug.routing import BaseConverter, ValidationError

#: the largest values of an integer and of a bigint column
LARGEST, LARGEST_BIG = 2**31 - 1, 2**63 - 1
_DIGITS = re.compile(r"[0-9]{1,19}")


def whole_number(text: object, largest: int = LARGEST) -> int | None:
    """Parse a whole number from 0 to ``largest``. Return None for anything else."""
    digits = str(text)
    number = int(digits) if _DIGITS.fullmatch(digits) else None
    return number if number is not None and number <= largest else None


def row_id(text: object, largest: int = LARGEST) -> int | None:
    """Parse the key of a row. Return None for what no row can have."""
    return whole_number(text, largest) or None


class RowIdConverter(BaseConverter):
    """The converter of ``<row_id:pk>`` in routes: an impossible key is answered 404."""

    regex = r"[0-9]+"

    def to_python(self, value: str) -> int:
        """Return the key. Raises ValidationError for a number that no row can have."""
        key = row_id(value)
        if key is None:
            raise ValidationError
        return key
