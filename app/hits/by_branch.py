"""Hits by branch: the direct sub-branches of the selected branch, each including everything below it.

A part is identified by the text that the hit list's filter takes: the id of a branch; ``own-`` and the id for
a branch without its sub-branches; ``none`` for hits whose lead has no branch.
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
#: prefix of a branch's id: without its sub-branches
OWN = "own-"


class BranchParts:
    """The parts of everything a user sees, or of the branch at the path ``selected``."""

    def __init__(self, user: Any, selected: str | None) -> None:
        rows = db.session.scalars(select(Branch).where(visible_to(user, Branch)))
        self._branches: Mapping[int, Branch] = {branch.id: branch for branch in rows}
        self._top = self._path_of(selected)

    def _path_of(self, selected: str | None) -> str:
        """Return the path of the branch to divide: the selected one, else the lowest that contains all."""
        if selected not in (None, NO_BRANCH):
            return str(selected)
        roots = [each for each in self._branches.values() if each.parent_id not in self._branches]
        return roots[0].path if len(roots) == 1 else "/"

    def part_of(self, branch_id: int) -> str:
        """Return the part to which a hit's ``branch_id`` belongs."""
        branch = self._branches.get(branch_id)
        if branch is None:
            return NONE
        if branch.path == self._top:
            return f"{OWN}{branch.id}"
        return branch.path.removeprefix(self._top).split("/")[0] or branch.path.strip("/").split("/")[0]

    def name(self, part: str) -> str:
        """Return the display name of a part."""
        if part == NONE:
            return _("No branch")
        if part.startswith(OWN):
            return _("%(branch)s itself", branch=self._branches[int(part.removeprefix(OWN))].name)
        return self._branches[int(part)].name
