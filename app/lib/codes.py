"""Codes of rows that nobody gave one."""

from __future__ import annotations

import secrets


def new_code(prefix: str) -> str:
    """Return the prefix with eight random digits."""
    return f"{prefix}-{secrets.randbelow(10**8):08}"
