"""The lead list as the activity cube needs it: a dense number and a person, read by Arrow."""

from __future__ import annotations

from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from sqlalchemy import text

from app.extensions import db


def fingerprint(session: Any) -> str:
    """A short text that changes when a lead joins, leaves or changes identity."""
    count, mixed = session.execute(
        text(
            "SELECT count(*), coalesce(bit_xor(hashtextextended(id_hash, id)), 0) FROM lead "
            "WHERE deleted_at IS NULL"
        )
    ).one()
    return f"{count}:{mixed & 0xFFFFFFFFFFFFFFFF:016x}"


def read_leads() -> pa.Table:
    """The live leads as columns ``lead`` (int64) and ``person`` (the first 32 hex digits of the ID hash)."""
    with adbc.connect(_libpq_uri()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT id AS lead, left(id_hash, 32) AS person FROM lead WHERE deleted_at IS NULL ORDER BY id"
        )
        return cursor.fetch_arrow_table()


def _libpq_uri() -> str:
    url = db.engine.url
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
