"""Steps taken for many hits or customers, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flask import flash, url_for
from flask_babel import gettext as _

from app.console.undo import flash_undoable
from app.errors import DomainError
from app.extensions import db
from app.models import HitEvent

#: where the button in a message posts which fields
Undo = tuple[str, list[tuple[str, str]]]
#: refusals that a bulk action shows in full
MAX_REASONS = 3


def apply_to_each(
    rows: Sequence[Any],
    step: Callable[[Any], object],
    done: Callable[[int], str],
    undo: Callable[[list[Any]], Undo | None] | None = None,
    *,
    newest_first: bool = False,
) -> None:
    """Take a step for each row in the order of their ids, and report how many were refused and why.

    ``undo`` returns, for the rows that were changed, what the button in the message posts and where; None
    when that can't be undone.
    """
    changed, refused = [], []
    for row in sorted(rows, key=lambda each: each.id, reverse=newest_first):
        try:
            step(row)
            db.session.commit()
            changed.append(row)
        except DomainError as error:
            db.session.rollback()
            refused.append(error.text())
    if changed:
        undoing = undo(changed) if undo else None
        if undoing:
            flash_undoable(done(len(changed)), *undoing)
        else:
            flash(done(len(changed)), "success")
    if refused:
        more = _(" and %(n)s more", n=len(refused) - MAX_REASONS) if len(refused) > MAX_REASONS else ""
        flash(_("Not changed: %(why)s", why=" ".join(refused[:MAX_REASONS]) + more), "warning")


def undone_by(action: str, rows: Sequence[Any], **more: str) -> Undo:
    """Return the post with which an action of customers undoes what was done to some of them."""
    fields = [("action", action), *more.items(), *(("rowid", str(row.id)) for row in rows)]
    return url_for("CustomerView.action_post"), fields


def taken_back(events: Iterable[HitEvent | None]) -> Undo | None:
    """Return the post that takes steps on hits back, None without any."""
    fields = [("event", str(event.id)) for event in events if event is not None]
    return (url_for("HitView.undo_many"), fields) if fields else None
