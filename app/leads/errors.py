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

    def explain(self, translate: Callable[[str], str] = str) -> str:
        """Return the message with the value it concerns; ``translate`` translates a msgid."""
        why = translate(self.message) % self.values if self.values else translate(self.message)
        return translate(WITH_VALUE) % {"why": why, "value": self.value} if self.value else why


class MissingName(RowError):
    """A row without a usable name."""

    reason = "missing_name"
    fields = ("name",)


class InvalidName(RowError):
    """A row with a text that is not a name, or a name that has lost a character."""

    reason = "invalid_name"
    fields = ("name",)


class MissingId(RowError):
    """A row with neither an ID number nor its hash."""

    reason = "missing_id"


class InvalidIdNumber(RowError):
    """A row with a text that is not a Chinese resident ID number or its hash."""

    reason = "invalid_id_number"
    fields = ("id_number", "id_hash")


class InvalidPhone(RowError):
    """A row with a text that is not a Chinese phone number."""

    reason = "invalid_phone"
    fields = ("phone",)


class DuplicateInFile(RowError):
    """A row about the same person as an earlier accepted row of the file."""

    reason = "duplicate_in_file"
    fields = ("id_number", "id_hash")


class UnknownBranch(RowError):
    """A row with an unknown branch, in a file whose user decided to reject such rows."""

    reason = "unknown_branch"
    fields = ("branch",)


class InvalidBranch(RowError):
    """A row with a text that is neither the name nor the code of a branch."""

    reason = "invalid_branch"
    fields = ("branch",)


class Undecodable(RowError):
    """A row with bytes that are not text in the file's encoding."""

    reason = "undecodable"


class MalformedRow(RowError):
    """A row whose quotation marks do not match."""

    reason = "malformed_row"


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
