"""Kinds of requests: the interface that screens and requests rely on, and the registry that domains fill."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeVar

from app.errors import DomainError
from app.extensions import db
from app.models import Approval

Row = TypeVar("Row")


class Change(NamedTuple):
    """One difference in words of the current language; a text is empty where that side has nothing."""

    what: str
    old: str
    new: str


class Kind(Protocol):
    """A kind of request that one person makes and another one decides on.

    ``permission`` is a (permission, view) pair. A decider needs the same right as the requester.
    """

    name: str
    permission: tuple[str, str]

    def title(self, subject_id: int) -> str:
        """Return the display name of the subject."""

    def state(self, subject_id: int) -> str:
        """Return a text that changes with everything about the subject that the decision depends on."""

    def makers(self, subject_id: int) -> set[str]:
        """Return the user names of everybody who worked on the subject."""

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        """Return what an approval would change, in the current language."""

    def submitted(self, approval: Approval) -> None:
        """Mark the subject as waiting. Raises DomainError when it can't be submitted now."""

    def apply(self, approval: Approval, user: str) -> None:
        """Carry out what ``user`` approved. Raises DomainError when that is no longer possible."""

    def returned(self, approval: Approval) -> None:
        """Mark the subject as no longer waiting, after a rejection, withdrawal or expiry."""

    def opens(self, subject_id: int) -> dict[str, Any]:
        """Return the row whose page shows the subject (app/lib/pointers.py)."""


_KINDS: dict[str, Kind] = {}


def subject_row(model: type[Row], subject_id: int, gone: str) -> Row:
    """Return the row that a request is about.

    Raises DomainError with the message ``gone`` when there is none.
    """
    row = db.session.get(model, subject_id)
    if row is None:
        raise DomainError(gone)
    return row


def register(kind: Kind) -> None:
    """Register a kind, when its module is imported."""
    _KINDS[kind.name] = kind


def kind_named(name: str) -> Kind:
    """Return the kind with this name. Raises DomainError when no such kind is registered."""
    if name not in _KINDS:
        raise DomainError("Unknown kind of request: %(kind)s.", kind=name)
    return _KINDS[name]
