"""What can go wrong with a lead, a lead file or an import, each with a stable code."""

from __future__ import annotations

from collections.abc import Callable

from app.errors import N_, OUT_OF_MEMORY, DomainError

WITH_VALUE = N_("%(why)s: “%(value)s”")


class LeadsError(DomainError):
    """A refusal by the leads package: a DomainError with a stable ``code``.

    Never holds an ID number or phone in clear, nor a person's name.
    """

    def __init__(self, code: str, message: str, **values: object) -> None:
        self.code = code
        super().__init__(message, **values)


class RowError(LeadsError):
    """One row can't be imported; ``reason`` is the reason it counts under in docs/commands.md.

    ``fields`` are those it may be about, ``value`` what stands in the first of them that is filled, masked.
    """

    reason = "rejected"
    fields: tuple[str, ...] = ()
    value = ""

    def told(self, words: Callable[[str], str] = str) -> str:
        """The message and the value it is about; ``words`` translates a msgid."""
        why = words(self.message) % self.values if self.values else words(self.message)
        return words(WITH_VALUE) % {"why": why, "value": self.value} if self.value else why


class MissingName(RowError):
    """A row without a usable name."""

    reason = "missing_name"
    fields = ("name",)


class InvalidName(RowError):
    """A text that can't be anybody's name, or that lost a character of it."""

    reason = "invalid_name"
    fields = ("name",)


class MissingId(RowError):
    """A row with neither an ID number nor its hash."""

    reason = "missing_id"


class InvalidIdNumber(RowError):
    """A text that is not a Chinese resident ID number (or its hash)."""

    reason = "invalid_id_number"
    fields = ("id_number", "id_hash")


class InvalidPhone(RowError):
    """A text that is not a Chinese telephone number."""

    reason = "invalid_phone"
    fields = ("phone",)


class DuplicateInFile(RowError):
    """The person of an earlier, accepted row of the same file."""

    reason = "duplicate_in_file"
    fields = ("id_number", "id_hash")


class UnknownBranch(RowError):
    """A row whose branch nobody knows, of a file whose owner decided to leave such rows out."""

    reason = "unknown_branch"
    fields = ("branch",)


class InvalidBranch(RowError):
    """A text that can't be the name or code of a branch."""

    reason = "invalid_branch"
    fields = ("branch",)


class Undecodable(RowError):
    """A row with bytes that are no text."""

    reason = "undecodable"


class MalformedRow(RowError):
    """A row whose quotation marks do not match."""

    reason = "malformed_row"


class UnreadableFile(LeadsError):
    """A whole file that can't be read as a lead list; ``code`` says why."""


class ImportCancelled(LeadsError):
    """A person cancelled the import; nothing of it is on the list."""

    def __init__(self) -> None:
        super().__init__("import_cancelled", N_("The import was cancelled"))


def interrupted(code: str, message: str, error: BaseException, kind: str) -> LeadsError:
    """What to tell of work that an unforeseen ``error`` ended; ``message`` has a place for its ``kind``."""
    if isinstance(error, MemoryError):
        return LeadsError("out_of_memory", OUT_OF_MEMORY)
    return LeadsError(code, message, kind=kind)
