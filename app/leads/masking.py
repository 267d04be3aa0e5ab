"""Masking of phone numbers and ID numbers, and of whatever looks like an ID number in any text."""

from __future__ import annotations

import re
import unicodedata

from app.leads.errors import InvalidIdNumber
from app.leads.identity import canonical_id

_SEPARATORS = r"[\s\-'.\u00b7\u2010-\u2015\u200b-\u200d\ufeff]*"
_ID_LIKE = re.compile(rf"[1-9](?:{_SEPARATORS}[0-9]){{13,}}{_SEPARATORS}[0-9Xx]")
_HASH = re.compile(r"\s*[0-9a-fA-F]{64}\s*")
_SHORTEST_SHOWN = 12
_MOBILE = re.compile(r"1[3-9][0-9]{9}")


def mask_phone(phone: str) -> str:
    """Mask a normalised number: ``138****8899``, ``0571******2`` (showing half of it at most)."""
    if _MOBILE.fullmatch(phone):
        return f"{phone[:3]}****{phone[7:]}"
    area = 3 if phone[:2] in ("01", "02") or not phone.startswith("0") else 4
    area = min(area, len(phone) // 2)
    tail = max(len(phone) // 2 - area, 0)
    return phone[:area] + "*" * (len(phone) - area - tail) + phone[len(phone) - tail :]


def mask_ids(text: str) -> str:
    """Mask every run of 15 or more digits in a text. A 64-digit hash and other text stay as they are."""
    if len(text) < 15 or _HASH.fullmatch(text):
        return text
    folded = unicodedata.normalize("NFKC", text)
    return _ID_LIKE.sub(lambda match: mask_id(match[0]), folded) if _ID_LIKE.search(folded) else text


def mask_id(text: str) -> str:
    """Mask an ID number, valid or not, except its first three and last two characters.

    Mask short texts entirely.
    """
    shown = "".join(unicodedata.normalize("NFKC", text).split())
    if len(shown) < _SHORTEST_SHOWN:
        return "*" * len(shown)
    return shown[:3] + "*" * (len(shown) - 5) + shown[-2:]


def holds_id(text: str) -> bool:
    """Return whether a text contains a valid ID number."""
    folded = unicodedata.normalize("NFKC", text)
    return len(text) >= 15 and any(_is_id(match[0]) for match in _ID_LIKE.finditer(folded))


def _is_id(run: str) -> bool:
    digits = re.sub(_SEPARATORS, "", run)
    return any(
        _valid(digits[start : start + length])
        for length in (18, 15)
        for start in range(len(digits) - length + 1)
    )


def _valid(number: str) -> bool:
    try:
        canonical_id(number)
    except InvalidIdNumber:
        return False
    return True
