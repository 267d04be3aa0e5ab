"""Messages to people: the errors that domain functions raise, and stored messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


def N_(message: str) -> str:  # noqa: N802 - the name that gettext tools look for
    """Mark a message for translation without translating it here."""
    return message


OUT_OF_MEMORY = N_("It needs more memory than a worker may take (WORKER_MEMORY_MB).")
SEE_LOG = N_("%(kind)s: see the worker's log")
#: the message of a text that is not translated
AS_IT_IS = "%(text)s"
#: how many characters of a text are stored as a value of a message
MAX_CHARS = 1000


@dataclass(frozen=True)
class Said:
    """A stored message (app/lib/said.py): an English msgid and the values of its placeholders.

    A value may be another message. ``str()`` translates it into the language of the current user.
    """

    message: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def as_is(cls, text: str) -> Self | None:
        """Wrap a text that is not translated, by a person or another system. Return None for an empty one."""
        return cls(AS_IT_IS, {"text": text}) if text else None

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what ``as_json`` wrote."""
        values = {
            name: cls.of_json(value) if isinstance(value, dict) else value
            for name, value in stored["values"].items()
        }
        return cls(stored["message"], values)

    def as_json(self) -> dict[str, Any]:
        """Return the message as JSON to store."""
        return {
            "message": self.message,
            "values": {name: _as_json(each) for name, each in self.values.items()},
        }

    def text(self) -> str:
        """Return the message in the language of the current user."""
        from flask_babel import gettext  # imported here, because activity, which has no web, uses N_

        return gettext(self.message, **self.values)

    def english(self) -> str:
        """Return the message in English, for logs and commands."""
        values = {
            name: each.english() if isinstance(each, Said) else each for name, each in self.values.items()
        }
        return self.message % values if values else self.message

    def __str__(self) -> str:
        return self.text()


def _as_json(value: Any) -> Any:
    """Return a value that JSON in the database can hold: no NUL, no lone surrogates, limited length."""
    if isinstance(value, Said):
        return value.as_json()
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value).replace("\0", "").encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 1]}…"


class DomainError(Exception):
    """A request that can't be fulfilled. ``message`` is an English msgid with ``%(name)s`` placeholders."""

    def __init__(self, message: str, **values: Any) -> None:
        self.message = message
        self.values = values
        super().__init__(self.said.english())

    @property
    def said(self) -> Said:
        """Return the error as a message to store."""
        return Said(self.message, self.values)

    def text(self) -> str:
        """Return the message in the language of the current user."""
        return self.said.text()


class FieldError(DomainError):
    """A refused value of the form field ``field``."""

    def __init__(self, field: str, message: str, **values: Any) -> None:
        self.field = field
        super().__init__(message, **values)
