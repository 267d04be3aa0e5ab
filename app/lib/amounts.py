"""Shares and amounts of money as text."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation

_AMOUNT = re.compile(r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
#: an amount as most files have it, which needs no more preparation
_PLAIN = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,2})?")
_SMALLEST, _TOO_MUCH = Decimal("0.0001"), Decimal(10) ** 14


def percent(share: float | None) -> str:
    """Return a share in percent with one decimal."""
    return "—" if share is None else f"{share:,.1%}"


def yuan(amount: Decimal | float | None) -> str:
    """Return an amount of money in yuan."""
    if amount is None:
        return "—"
    sign = "-" if amount <= -0.005 else ""
    return f"{sign}¥{abs(amount):,.2f}"


def parse_amount(cell: str) -> Decimal | None:
    """Parse an amount of money such as 1234.5, 1,234.50 or ¥1,234.50, rounded to a hundredth of a fen.

    Return None for anything else, and for more than fourteen digits before the point.
    """
    text = cell if _PLAIN.fullmatch(cell) else _compact(cell)
    if not _AMOUNT.fullmatch(text):
        return None
    try:
        amount = Decimal(text.replace(",", "")).quantize(_SMALLEST)
    except InvalidOperation:
        return None
    return amount if abs(amount) < _TOO_MUCH else None


def _compact(cell: str) -> str:
    text = unicodedata.normalize("NFKC", cell).strip()
    return text.removeprefix("¥").removesuffix("元").strip()
