"""Approval of changes to definitions that rules in force use: products, facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from flask_babel import gettext as _
from sqlalchemy import select

from app import approvals, labels
from app.approvals.kinds import Change
from app.errors import N_
from app.extensions import db
from app.lib.pointers import to_row
from app.lib.strict import Stored
from app.models import Approval, Staff

Definition = TypeVar("Definition", bound=Stored)
#: Whoever approves rules approves what changes the leads they catch and what their conversions are worth.
PERMISSION = ("can_submit", "RuleVersionView")
GONE = N_("The definition no longer exists.")


class DefinitionKind(Generic[Definition]):
    """A kind of request for definitions that are rows of a table with a ``code`` and a ``name``.

    ``of`` makes the definition of a row, ``parsed`` that of values stored as JSON; ``shown`` puts the fields
    that need approval into words, by name; ``rules`` are the codes of the rules in force that use a code.
    """

    permission = PERMISSION

    def __init__(
        self,
        name: str,
        model: type[Any],
        *,
        of: Callable[[Any], Definition],
        parsed: Callable[[dict[str, Any]], Definition],
        shown: dict[str, tuple[Any, Callable[[Any], str]]],
        rules: Callable[[str], list[str]],
    ) -> None:
        self.name = name
        self._model = model
        self._of = of
        self._parsed = parsed
        self._shown = shown
        self._rules = rules

    def stored(self, row: Any) -> Definition:
        """Return the definition that the database has of a row with pending changes."""
        columns = self._model.__table__
        with db.session.no_autoflush:
            return self._of(db.session.execute(select(columns).where(columns.c.id == row.id)).one())

    def affected(self, old: Definition, new: Definition) -> list[str]:
        """Return the codes of the rules in force for which another definition makes a difference."""
        before, after = old.model_dump(), new.model_dump()
        if all(before[name] == after[name] for name in self._shown):
            return []
        return self._rules(before["code"])

    def take_back(self, row: Any, old: Definition) -> None:
        """Give a row with pending changes its former values where a change needs approval."""
        self._set(row, old)

    def ask(self, row: Any, new: Definition, user: Staff, reason: str) -> Approval | None:
        """Request another definition; None when it takes effect at once. Does not commit."""
        return approvals.ask(self.name, row.id, user, reason, new.model_dump(mode="json"))

    # -- the interface of kinds of requests --------------------------------------------------
    def title(self, subject_id: int) -> str:
        """Return the display name of the subject."""
        row = self._row(subject_id)
        return f"{row.code} {row.name}"

    def state(self, subject_id: int) -> str:
        """Return the definition as it is."""
        return self._of(self._row(subject_id)).model_dump_json()

    def makers(self, subject_id: int) -> set[str]:
        """Return nobody: whoever made the definition may decide about a change of somebody else."""
        return set()

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        """Return the differences, and the rules in force that use the definition."""
        row = self._row(subject_id)
        before, after = self._of(row).model_dump(), self._parsed(payload).model_dump()
        differences = [
            Change(str(label), in_words(before[name]), in_words(after[name]))
            for name, (label, in_words) in self._shown.items()
            if before[name] != after[name]
        ]
        rules = labels.joined(self._rules(row.code))
        return [*differences, Change(_("Rules in force that use it"), "", rules)]

    def submitted(self, approval: Approval) -> None:
        """Leave the definition as it is until the decision."""

    def apply(self, approval: Approval, user: str) -> None:
        """Store the definition."""
        row = self._row(approval.subject_id)
        self._set(row, self._parsed(approval.payload))
        row.updated_by = approval.requested_by

    def returned(self, approval: Approval) -> None:
        """Leave the definition as it is."""

    def opens(self, subject_id: int) -> dict[str, Any]:
        """Return the row of the definition."""
        return to_row(self._model.__tablename__, subject_id)

    def _set(self, row: Any, definition: Definition) -> None:
        values = definition.as_row()
        for name in self._shown:
            setattr(row, name, values[name])

    def _row(self, subject_id: int) -> Any:
        return approvals.subject_row(self._model, subject_id, GONE)
