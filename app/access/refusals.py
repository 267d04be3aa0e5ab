"""Requests for rows outside the user's scope, recorded in the change log."""

from __future__ import annotations

from typing import Any

from flask import g
from sqlalchemy import false, func, not_, select

from app.access.scope import live, visible_to
from app.audit.events import event
from app.extensions import db

#: keys of one request that are examined
MAX_KEYS = 1000


def remember_missing(model: type[Any], key: int) -> None:
    """Remember for the rest of the request that no row with this key was found for the user."""
    g.setdefault("missing_rows", {}).setdefault(model, []).append(key)


def log_denied(page: str) -> None:
    """Record in the change log which of the request's missing rows exist outside the user's scope.

    Writes one entry for each table, and none for rows that don't exist.
    """
    for model, keys in g.pop("missing_rows", {}).items():
        beyond = not_(func.coalesce(visible_to(g.user, model), false()))
        query = select(model.id).where(model.id.in_(keys[:MAX_KEYS]), live(model), beyond)
        ids = sorted(db.session.scalars(query))
        if len(ids) == 1:
            event("denied", model.__tablename__, ids[0], page)
        elif ids:
            event("denied", model.__tablename__, None, page, ids=ids)
