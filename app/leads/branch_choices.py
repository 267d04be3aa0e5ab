"""Unknown branches in a lead file, and what a user decides to do with each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, select

from app.errors import N_
from app.leads.errors import LeadsError, UnknownBranch
from app.models import Branch

Action = Literal["create", "use", "reject"]
#: unknown names that are decided one by one; the rest is decided together
MAX_NAMES = 50
MAX_SUGGESTIONS = 3
_MIN_SIMILARITY = 0.4


class NamedBranch(NamedTuple):
    """A name of no known branch, and the number of accepted rows with it."""

    name: str
    rows: int


class UnknownBranches(NamedTuple):
    """The most frequent unknown names, and the total numbers of unknown names and of their rows."""

    named: list[NamedBranch]
    names: int
    rows: int


NO_BRANCHES = UnknownBranches([], 0, 0)


@dataclass(frozen=True)
class Choice:
    """``create`` a branch (below ``branch``, or at the top), ``use`` that branch, or ``reject`` the rows."""

    do: Action
    branch: int | None = None
    rows: int = 0


@dataclass(frozen=True)
class BranchChoices:
    """The choices for each name, and for all other names (``rest``, empty until it is chosen)."""

    names: Mapping[str, Choice] = field(default_factory=dict)
    rest: Literal["create", "reject", ""] = ""

    def as_json(self) -> dict[str, Any]:
        """Return the choices for storage with the batch."""
        return {"names": {name: asdict(choice) for name, choice in self.names.items()}, "rest": self.rest}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any] | None) -> BranchChoices:
        """Return the choices stored by ``as_json``, none when nothing is stored."""
        stored = kept or {"names": {}, "rest": ""}
        names = {name: Choice(**choice) for name, choice in stored["names"].items()}
        return cls(names, stored["rest"])

    def undecided(self, names: Iterable[str]) -> list[str]:
        """Return the names without a choice."""
        return [] if self.rest else [name for name in names if name not in self.names]

    def parents(self, names: Iterable[str]) -> dict[str, int | None]:
        """Return the parents of the names that are to be created as branches."""
        choices = {name: self.names.get(name) for name in names}
        return {
            name: choice.branch if choice else None
            for name, choice in choices.items()
            if (choice.do == "create" if choice else self.rest == "create")
        }


class ChosenBranch:
    """Resolves the branch names of rows by the choices. Created once for a pass over a file."""

    def __init__(self, connection: Connection, choices: BranchChoices) -> None:
        rows = connection.execute(select(Branch.id, Branch.code, Branch.name)).all()
        codes = {row.id: row.code for row in rows}
        self._known = {text for row in rows for text in (row.code, row.name)}
        self._choices = choices
        self._targets = {}
        for name, choice in choices.names.items():
            if choice.branch is not None and choice.branch not in codes:
                raise LeadsError(
                    "branch_gone",
                    N_("The branch chosen for “%(name)s” is gone meanwhile; choose again"),
                    name=name,
                )
            if choice.do == "use" and choice.branch is not None:
                self._targets[name] = codes[choice.branch]

    def __call__(self, name: str) -> str:
        """Return the code of the chosen branch, or the name itself.

        Raises UnknownBranch for rejected rows.
        """
        if not name or name in self._known:
            return name
        target = self._targets.get(name)
        if target is not None:
            return target
        choice = self._choices.names.get(name)
        if (choice.do if choice else self._choices.rest) == "reject":
            raise UnknownBranch("branch_unknown", N_("There is no such branch"))
        return name


def suggest_branches(names: Sequence[str], known: Sequence[tuple[int, str, str]]) -> dict[str, list[int]]:
    """Return for each name the ids of the most similarly spelt branches of ``known``: (id, code, name)."""
    by_text: dict[str, int] = {}
    for key, code, name in known:
        by_text.setdefault(name, key)
        by_text.setdefault(code, key)
    suggestions = {}
    for name in names:
        alike = difflib.get_close_matches(name, by_text, n=2 * MAX_SUGGESTIONS, cutoff=_MIN_SIMILARITY)
        suggestions[name] = list(dict.fromkeys(by_text[text] for text in alike))[:MAX_SUGGESTIONS]
    return suggestions
