"""Keys of rows, and other whole numbers, as people and programs write them."""

from __future__ import annotations

import re

from werkzeug.routing import BaseConverter, ValidationError

#: the largest number that a column of integers holds, and one of big integers
LARGEST, LARGEST_BIG = 2**31 - 1, 2**63 - 1
_DIGITS = re.compile(r"[0-9]{1,19}")


def whole_number(text: object, largest: int = LARGEST) -> int | None:
    """Return the number from 0 to ``largest`` that a text is, None when it is none."""
    shown = str(text)
    number = int(shown) if _DIGITS.fullmatch(shown) else None
    return number if number is not None and number <= largest else None


def row_id(text: object, largest: int = LARGEST) -> int | None:
    """Return the key that a text is, None when no row can have it."""
    return whole_number(text, largest) or None


class RowIdConverter(BaseConverter):
    """``<row_id:pk>`` in an address: the key of a row; what can be none is not found."""

    regex = r"[0-9]+"

    def to_python(self, value: str) -> int:
        """Return the key. Raises ValidationError for a number that no row has."""
        key = row_id(value)
        if key is None:
            raise ValidationError
        return key
