"""Steps taken for many hits or customers, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask import flash, url_for
from flask_babel import gettext as _

from app.console.undo import flash_undoable
from app.errors import DomainError
from app.extensions import db

#: refusals that a bulk action shows in full
MAX_REASONS = 3


def apply_to_each(
    rows: Sequence[Any],
    step: Callable[[Any], None],
    done: Callable[[int], str],
    undo: Callable[[list[Any]], list[tuple[str, str]]] | None = None,
) -> None:
    """Take a step for each row, and report how many were refused and why.

    ``undo`` returns, for the rows that were changed, what the button in the message posts to the customers'
    actions; nothing when there is nothing to undo.
    """
    changed, refused = [], []
    for row in sorted(rows, key=lambda each: each.id):
        try:
            step(row)
            db.session.commit()
            changed.append(row)
        except DomainError as error:
            db.session.rollback()
            refused.append(error.text())
    if changed:
        fields = undo(changed) if undo else []
        if fields:
            flash_undoable(done(len(changed)), url_for("CustomerView.action_post"), fields)
        else:
            flash(done(len(changed)), "success")
    if refused:
        more = _(" and %(n)s more", n=len(refused) - MAX_REASONS) if len(refused) > MAX_REASONS else ""
        flash(_("Not changed: %(why)s", why=" ".join(refused[:MAX_REASONS]) + more), "warning")


def undone_by(action: str, rows: Sequence[Any], **more: str) -> list[tuple[str, str]]:
    """Return the fields with which an action of customers undoes what was done to some of them."""
    return [("action", action), *more.items(), *(("rowid", str(row.id)) for row in rows)]
