"""Message ids: text that code names and that is translated where it is shown."""

from __future__ import annotations


def N_(message: str) -> str:  # noqa: N802 - the name that gettext tools look for
    """Mark a message for translation without translating it here."""
    return message
