"""What can be asked for. Each domain registers its kinds; the screens and requests know only this."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeVar

from app.errors import DomainError
from app.extensions import db
from app.models import Approval

Row = TypeVar("Row")


class Change(NamedTuple):
    """One difference in words of the language at hand; empty text where there is nothing on that side."""

    what: str
    old: str
    new: str


class Kind(Protocol):
    """A thing that one person asks for and another one decides about.

    ``permission`` is (permission, view): who may make such a thing may decide about another person's.
    """

    name: str
    permission: tuple[str, str]

    def title(self, subject_id: int) -> str:
        """What the subject is called."""

    def state(self, subject_id: int) -> str:
        """A text that differs whenever the subject differs in something the decision is about."""

    def makers(self, subject_id: int) -> set[str]:
        """Log-in names of everybody who made the subject what it is."""

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        """What approving would change, in the language at hand."""

    def submitted(self, approval: Approval) -> None:
        """Mark the subject as waiting. Raise DomainError when it can't be asked for now."""

    def apply(self, approval: Approval, who: str) -> None:
        """Do what was approved by ``who``. Raise DomainError when it can't be done any more."""

    def returned(self, approval: Approval) -> None:
        """Mark the subject as no longer waiting: rejected, withdrawn or expired."""

    def opens(self, subject_id: int) -> dict[str, Any]:
        """Return the row whose page shows the subject (app/lib/pointers.py)."""


_KINDS: dict[str, Kind] = {}


def subject_row(model: type[Row], subject_id: int, gone: str) -> Row:
    """The row that a request is about. Raises DomainError with the message ``gone`` when there is none."""
    row = db.session.get(model, subject_id)
    if row is None:
        raise DomainError(gone)
    return row


def register(kind: Kind) -> None:
    """Make a kind known, once, when its module is imported."""
    _KINDS[kind.name] = kind


def kind_named(name: str) -> Kind:
    """The kind with this name. Raises DomainError when no part of the program knows it any more."""
    if name not in _KINDS:
        raise DomainError("Requests of the kind %(kind)s are not known here.", kind=name)
    return _KINDS[name]
