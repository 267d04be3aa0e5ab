"""Branches that a lead file names and nobody knows: what the page asks, and what a person answered."""

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

#: as many branches as a list of suggestions can hold
MAX_BRANCHES = 2000


@dataclass(frozen=True)
class Question:
    """One name: ``do`` is what was answered, ``typed`` the branch beside it; ``offers`` the answers."""

    place: int
    name: str
    rows: int
    offers: list[tuple[str, str]]
    do: str
    typed: str
    error: str


@dataclass(frozen=True)
class Asked:
    """What the page shows: names to decide about, how many more there are, and what was decided before."""

    questions: list[Question]
    more: int
    rest: list[tuple[str, str]]
    rest_chosen: str
    decided: list[tuple[str, int, str]]
    branches: list[str]
    undecided: int
    rows: int
    error: str


def asked(batch: ImportBatch, errors: dict[str, str]) -> Asked | None:
    """What is to be decided, None when every branch is known and nothing was decided."""
    choices = BranchChoices.of_json(batch.options.get("branches"))
    found = (batch.checked or {}).get("branches", {"named": [], "names": 0, "rows": 0})
    if not found["names"] and not choices.names:
        return None
    names = _names(found, choices)
    open_ = set(choices.undecided([each["name"] for each in found["named"]]))
    shown = [each for each in found["named"] if each["name"] in open_]
    return Asked(
        questions=[_question(place, each, names, errors) for place, each in enumerate(shown)],
        more=found["names"] - len(found["named"]),
        rest=[("create", _("Create as a top-level branch")), ("reject", _("Reject these rows"))],
        rest_chosen=request.form.get("rest", choices.rest),
        decided=[(name, choice.rows, _said(choice, names)) for name, choice in choices.names.items()],
        branches=[_shown(branch) for branch in names.values()] if open_ else [],
        undecided=uploads.undecided(batch),
        rows=found["rows"],
        error=errors.get("", ""),
    )


def _names(found: dict[str, Any], choices: BranchChoices) -> dict[int, Branch]:
    """The branches by id: those that suggestions and choices name, and as many more as fit."""
    wanted = {key for each in found["named"] for key in each["nearest"]}
    wanted |= {choice.branch for choice in choices.names.values() if choice.branch is not None}
    query = select(Branch).order_by(Branch.id.in_(wanted).desc(), Branch.path).limit(MAX_BRANCHES)
    return {branch.id: branch for branch in db.session.scalars(query)}


def _question(place: int, each: dict[str, Any], names: dict[int, Branch], errors: dict[str, str]) -> Question:
    alike = [names[key] for key in each["nearest"] if key in names]
    offers = [(f"use:{branch.id}", _("It is %(branch)s", branch=_shown(branch))) for branch in alike]
    offers += [
        ("use", _("It is the branch entered on the right")),
        ("create", _("Create it (below the branch entered on the right, if any)")),
        ("reject", _("Reject these rows")),
    ]
    return Question(
        place,
        each["name"],
        each["rows"],
        offers,
        request.form.get(f"do_{place}", ""),
        request.form.get(f"branch_{place}", ""),
        errors.get(f"branch_{place}", ""),
    )


def _shown(branch: Branch) -> str:
    return branch.name if branch.name == branch.code else f"{branch.name} ({branch.code})"


def _said(choice: Choice, names: dict[int, Branch]) -> str:
    branch = names.get(choice.branch) if choice.branch is not None else None
    if choice.do == "reject":
        return _("Reject these rows")
    if choice.do == "create":
        return (
            _("Create it below %(branch)s", branch=_shown(branch))
            if branch
            else _("Create as a top-level branch")
        )
    return _("It is %(branch)s", branch=_shown(branch)) if branch else "—"


def chosen() -> BranchChoices:
    """What the posted form says. Raises FieldError for ``branch_<place>`` of an answer that can't be."""
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
        return Choice("use", _by_key(place, key), count)
    typed = request.form.get(f"branch_{place}", "").strip()
    branch = _typed(place, typed) if typed else None
    if do == "create":
        return Choice("create", branch, count)
    if do == "use" and branch is not None:
        return Choice("use", branch, count)
    said = _("Enter the branch it stands for.") if do == "use" else _("Choose one of the options.")
    raise FieldError(f"branch_{place}", said)


def _by_key(place: int, key: str) -> int:
    known = row_id(key)
    found = db.session.get(Branch, known) if known else None
    if found is None:
        raise FieldError(f"branch_{place}", "Choose one of the options.")
    return found.id


def _typed(place: int, typed: str) -> int:
    """The branch that was typed: its code, its name, or both as suggested."""
    code = typed.rsplit("(", 1)[-1].rstrip(")") if typed.endswith(")") else typed
    wanted = select(Branch.id).where(Branch.code.in_((code, typed)) | (Branch.name == typed))
    found = db.session.scalars(wanted.order_by((Branch.code == code).desc(), Branch.id).limit(1)).first()
    if found is None:
        raise FieldError(f"branch_{place}", "There is no branch “%(name)s”.", name=typed[:64])
    return found
