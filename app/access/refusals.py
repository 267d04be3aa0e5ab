"""Rows that somebody asked for and that are there, but not for them."""

from __future__ import annotations

from typing import Any

from flask import g
from sqlalchemy import false, func, not_, select

from app.access.scope import live, visible_to
from app.audit.events import event
from app.extensions import db

#: so many keys of one request are looked at
MOST = 1000


def missed(model: type[Any], key: int) -> None:
    """Remember for this request that the person was given no row of that key."""
    g.setdefault("missed_rows", {}).setdefault(model, []).append(key)


def note_missed(page: str) -> None:
    """Note in the change log which of the rows the request missed lie beyond the person's scope.

    One entry for each table; none for rows that are not there for anybody.
    """
    for model, keys in g.pop("missed_rows", {}).items():
        beyond = not_(func.coalesce(visible_to(g.user, model), false()))
        query = select(model.id).where(model.id.in_(keys[:MOST]), live(model), beyond)
        ids = sorted(db.session.scalars(query))
        if len(ids) == 1:
            event("denied", model.__tablename__, ids[0], page)
        elif ids:
            event("denied", model.__tablename__, None, page, ids=ids)
