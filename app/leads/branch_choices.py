"""Branches that a lead file names and nobody knows: what a person decides about each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, select

from app.errors import N_
from app.leads.errors import LeadsError, UnknownBranch
from app.models import Branch

Deed = Literal["create", "use", "reject"]
#: how many unknown names a person is asked about one by one; the others are decided together
MAX_NAMES = 50
NEAREST = 3
_ALIKE = 0.4


class NamedBranch(NamedTuple):
    """A name that a file gives and no branch has, and how many accepted rows give it."""

    name: str
    rows: int


class Unknown(NamedTuple):
    """The unknown names with most rows, and of how many names with how many rows in all."""

    named: list[NamedBranch]
    names: int
    rows: int


NO_BRANCHES = Unknown([], 0, 0)


@dataclass(frozen=True)
class Choice:
    """``create`` a branch (below ``branch``, None: at the top), ``use`` that one, or ``reject`` the rows."""

    do: Deed
    branch: int | None = None
    rows: int = 0


@dataclass(frozen=True)
class BranchChoices:
    """What a person chose for each name, and for names not listed (``rest``, empty: nothing yet)."""

    names: Mapping[str, Choice] = field(default_factory=dict)
    rest: Literal["create", "reject", ""] = ""

    def as_json(self) -> dict[str, Any]:
        """As it is kept with the batch."""
        return {"names": {name: asdict(choice) for name, choice in self.names.items()}, "rest": self.rest}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any] | None) -> BranchChoices:
        """What ``as_json`` gave; nothing chosen when there is none."""
        found = kept or {"names": {}, "rest": ""}
        names = {name: Choice(**choice) for name, choice in found["names"].items()}
        return cls(names, found["rest"])

    def undecided(self, names: Iterable[str]) -> list[str]:
        """Those of the names that nothing was chosen for."""
        return [] if self.rest else [name for name in names if name not in self.names]

    def parents(self, names: Iterable[str]) -> dict[str, int | None]:
        """Name to parent of those of the names that are to be created."""
        chosen = {name: self.names.get(name) for name in names}
        return {
            name: choice.branch if choice else None
            for name, choice in chosen.items()
            if (choice.do == "create" if choice else self.rest == "create")
        }


class ChosenBranch:
    """Gives a row the branch that was chosen for the name it has. Made once a pass, from its connection."""

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
        """The branch's code, or the name as it is. Raises UnknownBranch for rows that shall stay out."""
        if not name or name in self._known:
            return name
        target = self._targets.get(name)
        if target is not None:
            return target
        choice = self._choices.names.get(name)
        if (choice.do if choice else self._choices.rest) == "reject":
            raise UnknownBranch("branch_unknown", N_("There is no such branch"))
        return name


def nearest(names: Sequence[str], known: Sequence[tuple[int, str, str]]) -> dict[str, list[int]]:
    """For each name the ids of the branches ``(id, code, name)`` that are written most alike."""
    spelt: dict[str, int] = {}
    for key, code, name in known:
        spelt.setdefault(name, key)
        spelt.setdefault(code, key)
    found = {}
    for name in names:
        alike = difflib.get_close_matches(name, spelt, n=2 * NEAREST, cutoff=_ALIKE)
        found[name] = list(dict.fromkeys(spelt[text] for text in alike))[:NEAREST]
    return found
