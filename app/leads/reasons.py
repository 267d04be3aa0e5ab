"""Reasons that users give for revealing or erasing personal data."""

from __future__ import annotations

import re

from app.errors import FieldError
from app.leads.masking import mask_ids, mask_phone

MIN_REASON = 4
MAX_REASON = 255
_MOBILE = re.compile(r"(?<![0-9])1[3-9][0-9]{9}(?![0-9])")


def checked_reason(text: str | None) -> str:
    """Return a reason for storage: trimmed, with ID and mobile numbers masked.

    Raises FieldError for ``reason`` when it has less than MIN_REASON or more than MAX_REASON characters.
    """
    reason = " ".join((text or "").split())
    if not MIN_REASON <= len(reason) <= MAX_REASON:
        raise FieldError(
            "reason", "Give a reason of %(least)s to %(most)s characters.", least=MIN_REASON, most=MAX_REASON
        )
    return mask_numbers(reason)


def mask_numbers(text: str) -> str:
    """Mask every ID number and mobile number in a text."""
    return _MOBILE.sub(lambda match: mask_phone(match[0]), mask_ids(text))
