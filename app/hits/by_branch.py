"""Hits by branch: the branches right below the one that is looked at, each with all below it.

A part is named by a text, the same as the hit list's filter takes: the id of a branch, ``own-`` and the id
for a branch without those below it, ``none`` for hits whose lead has no branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select

from app.access.scope import visible_to
from app.extensions import db
from app.hits.counts import NO_BRANCH
from app.models import Branch

#: hits of leads without a source, or without a branch
NONE = "none"
#: before a branch's id: without the branches below it
OWN = "own-"


class BranchParts:
    """The parts of what a person sees, or of the branch at the path ``chosen``."""

    def __init__(self, person: Any, chosen: str | None) -> None:
        rows = db.session.scalars(select(Branch).where(visible_to(person, Branch)))
        self._branches: Mapping[int, Branch] = {branch.id: branch for branch in rows}
        self._top = self._path_of(chosen)

    def _path_of(self, chosen: str | None) -> str:
        """The branch whose parts are looked at, as a path: the chosen one, else the lowest that holds all."""
        if chosen not in (None, NO_BRANCH):
            return str(chosen)
        roots = [each for each in self._branches.values() if each.parent_id not in self._branches]
        return roots[0].path if len(roots) == 1 else "/"

    def part_of(self, branch_id: int) -> str:
        """The part that a hit's ``branch_id`` belongs to."""
        branch = self._branches.get(branch_id)
        if branch is None:
            return NONE
        if branch.path == self._top:
            return f"{OWN}{branch.id}"
        return branch.path.removeprefix(self._top).split("/")[0] or branch.path.strip("/").split("/")[0]

    def name(self, part: str) -> str:
        """What people call a part."""
        if part == NONE:
            return _("No branch")
        if part.startswith(OWN):
            return _("%(branch)s itself", branch=self._branches[int(part.removeprefix(OWN))].name)
        return self._branches[int(part)].name
