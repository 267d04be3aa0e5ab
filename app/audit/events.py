"""Events: entries of the change log for acts that change no table."""

from __future__ import annotations

import hmac
import json
from typing import Any

from flask import current_app
from sqlalchemy import text

from app.extensions import db

_INSERT = text("""
    INSERT INTO change_log (kind, object, object_id, title, changes)
    VALUES (:kind, :object, :id, left(:title, 128), CAST(:detail AS jsonb))
""")


def event(kind: str, object_: str, id_: object = None, title: str = "", **detail: Any) -> None:
    """Record an event in a transaction of its own and commit it.

    ``object_`` and ``id_`` name its object in the way of the triggers. ``detail`` becomes the entry's fields.
    """
    values = {
        "kind": kind,
        "object": object_,
        "id": None if id_ is None else str(id_)[:128],
        "title": title,
        "detail": json.dumps(detail, ensure_ascii=False),
    }
    with db.engine.begin() as connection:
        connection.execute(_INSERT, values)


def pseudonym(text_: str) -> str:
    """Return a keyed hash of a typed text, which may be anything, even a password or a phone number."""
    key = current_app.config["SETTINGS"].secret_key.encode()
    return "#" + hmac.digest(key, text_.strip().lower().encode(), "sha256").hex()[:16]
