"""What the program says to people: errors that domain functions raise, and messages that are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


def N_(message: str) -> str:  # noqa: N802 - the name that gettext tools look for
    """Mark a message for translation without translating it here."""
    return message


OUT_OF_MEMORY = N_("It needs more memory than a worker may take (WORKER_MEMORY_MB).")
SEE_LOG = N_("%(kind)s: see the worker's log")
#: the message of a text that is nobody's to translate
AS_IT_IS = "%(text)s"
#: how much of a text is stored among the values of a message
MAX_CHARS = 1000


@dataclass(frozen=True)
class Said:
    """A message as it is stored (app/lib/said.py): an English msgid and the values of its places.

    A value may be another message. As a string it is in the language of the person who asks.
    """

    message: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def as_is(cls, text: str) -> Self | None:
        """Return what a person or another system wrote as a message, None for nothing."""
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
        """Return the message as it is stored in JSON."""
        return {"message": self.message, "values": {name: _kept(each) for name, each in self.values.items()}}

    def text(self) -> str:
        """Return the message in the language of the person who asks."""
        from flask_babel import gettext  # here, because activity has its messages marked by this module

        return gettext(self.message, **self.values)

    def english(self) -> str:
        """Return the message in English, for logs and commands."""
        values = {
            name: each.english() if isinstance(each, Said) else each for name, each in self.values.items()
        }
        return self.message % values if values else self.message

    def __str__(self) -> str:
        return self.text()


def _kept(value: Any) -> Any:
    """A value as JSON of the database can hold it: no NUL, no half characters, no endless text."""
    if isinstance(value, Said):
        return value.as_json()
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value).replace("\0", "").encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 1]}…"


class DomainError(Exception):
    """Something asked for can't be done. ``message`` is an English msgid with ``%(name)s`` places."""

    def __init__(self, message: str, **values: Any) -> None:
        self.message = message
        self.values = values
        super().__init__(self.said.english())

    @property
    def said(self) -> Said:
        """The message, to store."""
        return Said(self.message, self.values)

    def text(self) -> str:
        """The message in the language of the person who asks."""
        return self.said.text()


class FieldError(DomainError):
    """A typed value that can't be accepted; ``field`` is the form field it belongs to."""

    def __init__(self, field: str, message: str, **values: Any) -> None:
        self.field = field
        super().__init__(message, **values)
