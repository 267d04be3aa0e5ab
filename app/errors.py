"""Errors that domain functions raise and that screens and commands show to people."""

from __future__ import annotations

from typing import Any


def N_(message: str) -> str:  # noqa: N802 - the name that gettext tools look for
    """Mark a message for translation without translating it here."""
    return message


OUT_OF_MEMORY = N_("It needs more memory than a worker may take (WORKER_MEMORY_MB).")


class DomainError(Exception):
    """Something asked for can't be done. ``message`` is an English msgid with ``%(name)s`` places."""

    def __init__(self, message: str, **values: Any) -> None:
        self.message = message
        self.values = values
        super().__init__(message % values if values else message)

    def text(self) -> str:
        """The message in the language of the person who asks."""
        from flask_babel import gettext  # here, because activity has its messages marked by this module

        return gettext(self.message, **self.values)


class FieldError(DomainError):
    """A typed value that can't be accepted; ``field`` is the form field it belongs to."""

    def __init__(self, field: str, message: str, **values: Any) -> None:
        self.field = field
        super().__init__(message, **values)
