"""Shares and amounts of money as text."""

from __future__ import annotations

from decimal import Decimal


def percent(share: float | None) -> str:
    """Return a share in percent with one decimal."""
    return "—" if share is None else f"{share:.1%}"


def yuan(amount: Decimal | None) -> str:
    """Return an amount of money in yuan."""
    return "—" if amount is None else f"¥{amount:,.2f}"
