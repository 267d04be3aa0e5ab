"""Unknown branches in a lead file: the choices that the review page options, and those that were posted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request
from flask_babel import gettext as _
from sqlalchemy import select

from app.errors import FieldError
from app.extensions import db
from app.leads import uploads
from app.leads.branch_choices import MAX_NAMES, BranchChoices, Choice
from app.lib.row_id import row_id, whole_number
from app.models import Branch, ImportBatch

#: maximum branches in the list of suggestions
MAX_BRANCHES = 2000


@dataclass(frozen=True)
class UnknownBranch:
    """An unknown branch name with its options, and the option and branch that were posted."""

    place: int
    name: str
    rows: int
    options: list[tuple[str, str]]
    do: str
    typed: str
    error: str


@dataclass(frozen=True)
class UnknownBranches:
    """The unknown branches as the page shows them: undecided names, their number, and earlier decisions."""

    names: list[UnknownBranch]
    more: int
    rest: list[tuple[str, str]]
    rest_chosen: str
    decided: list[tuple[str, int, str]]
    branches: list[str]
    undecided: int
    rows: int
    error: str


def unknown_branches(batch: ImportBatch, errors: dict[str, str]) -> UnknownBranches | None:
    """Return the unknown branches of a batch, None when there are none and nothing was decided."""
    choices = BranchChoices.of_json(batch.options.get("branches"))
    unknown = (batch.checked or {}).get("branches", {"named": [], "names": 0, "rows": 0})
    if not unknown["names"] and not choices.names:
        return None
    known = _known_branches(unknown, choices)
    undecided = set(choices.undecided([each["name"] for each in unknown["named"]]))
    shown = [each for each in unknown["named"] if each["name"] in undecided]
    return UnknownBranches(
        names=[_unknown_branch(place, each, known, errors) for place, each in enumerate(shown)],
        more=unknown["names"] - len(unknown["named"]),
        rest=[("create", _("Create as a top-level branch")), ("reject", _("Reject these rows"))],
        rest_chosen=request.form.get("rest", choices.rest),
        decided=[(name, choice.rows, _choice_text(choice, known)) for name, choice in choices.names.items()],
        branches=[_branch_name(branch) for branch in known.values()] if undecided else [],
        undecided=uploads.count_undecided(batch),
        rows=unknown["rows"],
        error=errors.get("", ""),
    )


def _known_branches(unknown: dict[str, Any], choices: BranchChoices) -> dict[int, Branch]:
    """Return branches by id: those in suggestions and choices, and more up to the maximum."""
    first = {key for each in unknown["named"] for key in each["nearest"]}
    first |= {choice.branch for choice in choices.names.values() if choice.branch is not None}
    query = select(Branch).order_by(Branch.id.in_(first).desc(), Branch.path).limit(MAX_BRANCHES)
    return {branch.id: branch for branch in db.session.scalars(query)}


def _unknown_branch(
    place: int, each: dict[str, Any], known: dict[int, Branch], errors: dict[str, str]
) -> UnknownBranch:
    nearest = [known[key] for key in each["nearest"] if key in known]
    options = [(f"use:{branch.id}", _("It is %(branch)s", branch=_branch_name(branch))) for branch in nearest]
    options += [
        ("use", _("It is the branch entered on the right")),
        ("create", _("Create it (below the branch entered on the right, if any)")),
        ("reject", _("Reject these rows")),
    ]
    return UnknownBranch(
        place,
        each["name"],
        each["rows"],
        options,
        request.form.get(f"do_{place}", ""),
        request.form.get(f"branch_{place}", ""),
        errors.get(f"branch_{place}", ""),
    )


def _branch_name(branch: Branch) -> str:
    return branch.name if branch.name == branch.code else f"{branch.name} ({branch.code})"


def _choice_text(choice: Choice, known: dict[int, Branch]) -> str:
    branch = known.get(choice.branch) if choice.branch is not None else None
    if choice.do == "reject":
        return _("Reject these rows")
    if choice.do == "create":
        return (
            _("Create it below %(branch)s", branch=_branch_name(branch))
            if branch
            else _("Create as a top-level branch")
        )
    return _("It is %(branch)s", branch=_branch_name(branch)) if branch else "—"


def read_choices() -> BranchChoices:
    """Read the posted choices. Raises FieldError for ``branch_<place>`` of an invalid choice."""
    names = {}
    for place in range(MAX_NAMES):
        name = request.form.get(f"name_{place}", "")
        if name:
            names[name] = _choice(place)
    rest = request.form.get("rest", "")
    return BranchChoices(names, "create" if rest == "create" else "reject" if rest == "reject" else "")


def _choice(place: int) -> Choice:
    do, _colon, key = request.form.get(f"do_{place}", "").partition(":")
    count = whole_number(request.form.get(f"rows_{place}")) or 0
    if do == "reject":
        return Choice("reject", None, count)
    if do == "use" and key:
        return Choice("use", _branch_id(place, key), count)
    typed = request.form.get(f"branch_{place}", "").strip()
    branch = _find_branch(place, typed) if typed else None
    if do == "create":
        return Choice("create", branch, count)
    if do == "use" and branch is not None:
        return Choice("use", branch, count)
    message = _("Enter the branch it stands for.") if do == "use" else _("Choose one of the options.")
    raise FieldError(f"branch_{place}", message)


def _branch_id(place: int, key: str) -> int:
    known = row_id(key)
    branch = db.session.get(Branch, known) if known else None
    if branch is None:
        raise FieldError(f"branch_{place}", "Choose one of the options.")
    return branch.id


def _find_branch(place: int, typed: str) -> int:
    """Return the id of the branch with a code or name, or both as suggested. Raises FieldError."""
    code = typed.rsplit("(", 1)[-1].rstrip(")") if typed.endswith(")") else typed
    query = select(Branch.id).where(Branch.code.in_((code, typed)) | (Branch.name == typed))
    branch = db.session.scalars(query.order_by((Branch.code == code).desc(), Branch.id).limit(1)).first()
    if branch is None:
        raise FieldError(f"branch_{place}", "There is no branch “%(name)s”.", name=typed[:64])
    return branch
