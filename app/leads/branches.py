"""The branch tree: the path of a branch holds the ids from the top down to itself."""

from __future__ import annotations

from sqlalchemy import update

from app.errors import FieldError
from app.extensions import db
from app.models import Branch


def update_path(branch: Branch) -> None:
    """Set the paths of a branch and of all branches below it from its parent, and flush.

    Raises FieldError when the parent is the branch itself or a branch below it.
    """
    db.session.flush()
    old = branch.path
    parent = branch.parent
    if parent is not None and (parent.id == branch.id or (old and parent.path.startswith(old))):
        raise FieldError("parent", "A branch can't belong to itself or to a branch below it.")
    branch.path = f"{parent.path if parent else '/'}{branch.id}/"
    if old and old != branch.path:
        _move_below(old, branch.path)
    db.session.flush()


def _move_below(old: str, new: str) -> None:
    db.session.execute(
        update(Branch)
        .where(Branch.path.startswith(old, autoescape=True), Branch.path != old)
        .values(path=new + db.func.substr(Branch.path, len(old) + 1)),
        execution_options={"synchronize_session": False},
    )


def depth(branch: Branch) -> int:
    """Return how many branches are above the branch in the tree."""
    return max(branch.path.count("/") - 2, 0)
