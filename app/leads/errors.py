"""Errors of leads, lead files and imports, each with a stable code."""

from __future__ import annotations

from collections.abc import Callable

from app.errors import N_, OUT_OF_MEMORY, DomainError

WITH_VALUE = N_("%(why)s: “%(value)s”")


class LeadsError(DomainError):
    """A DomainError of the leads package with a stable ``code``.

    It never contains an ID number, a phone number in clear or a person's name.
    """

    def __init__(self, code: str, message: str, **values: object) -> None:
        self.code = code
        super().__init__(message, **values)


class RowError(LeadsError):
    """A row that can't be imported; ``reason`` is one of the reject reasons in docs/commands.md.

    ``fields`` are the fields it may concern, and ``value`` is the masked value of the first of them that is
    filled.
    """

    reason = "rejected"
    fields: tuple[str, ...] = ()
    value = ""

    def __init_subclass__(cls, *, reason: str, fields: tuple[str, ...] = ()) -> None:
        super().__init_subclass__()
        cls.reason, cls.fields = reason, fields

    def explain(self, translate: Callable[[str], str] = str) -> str:
        """Return the message with the value it concerns; ``translate`` translates a msgid."""
        why = translate(self.message) % self.values if self.values else translate(self.message)
        return translate(WITH_VALUE) % {"why": why, "value": self.value} if self.value else why


class MissingName(RowError, reason="missing_name", fields=("name",)):
    """A row without a usable name."""


class InvalidName(RowError, reason="invalid_name", fields=("name",)):
    """A row with a text that is not a name, or a name that has lost a character."""


class MissingId(RowError, reason="missing_id"):
    """A row with neither an ID number nor its hash."""


class InvalidIdNumber(RowError, reason="invalid_id_number", fields=("id_number", "id_hash")):
    """A row with a text that is not a Chinese resident ID number or its hash."""


class InvalidPhone(RowError, reason="invalid_phone", fields=("phone",)):
    """A row with a text that is not a Chinese phone number."""


class DuplicateInFile(RowError, reason="duplicate_in_file", fields=("id_number", "id_hash")):
    """A row about the same person as an earlier accepted row of the file."""


class UnknownBranch(RowError, reason="unknown_branch", fields=("branch",)):
    """A row with an unknown branch, in a file whose user decided to reject such rows."""


class InvalidBranch(RowError, reason="invalid_branch", fields=("branch",)):
    """A row with a text that is neither the name nor the code of a branch."""


class Undecodable(RowError, reason="undecodable"):
    """A row with bytes that are not text in the file's encoding."""


class MalformedRow(RowError, reason="malformed_row"):
    """A row whose quotation marks do not match."""


class UnreadableFile(LeadsError):
    """A file that can't be read as a lead list; ``code`` says why."""


class ImportCancelled(LeadsError):
    """A user cancelled the import, which has changed nothing."""

    def __init__(self) -> None:
        super().__init__("import_cancelled", N_("The import was cancelled"))


def interrupted(code: str, message: str, error: BaseException, kind: str) -> LeadsError:
    """Return the error to report for work that an unexpected ``error`` ended; ``message`` has a ``kind``."""
    if isinstance(error, MemoryError):
        return LeadsError("out_of_memory", OUT_OF_MEMORY)
    return LeadsError(code, message, kind=kind)
