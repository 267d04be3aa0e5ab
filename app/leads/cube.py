"""The activity cube of the lead list: its location, and updates of its lead layer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from app.activity import store
from app.activity.objects import ObjectStore
from app.activity.places import Root
from app.activity.settings import EngineSettings
from app.extensions import db
from app.lib.lazy import lazy
from config import Settings

if TYPE_CHECKING:
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow as pa

    from app.activity import cube
else:
    adbc = lazy("adbc_driver_postgresql.dbapi")
    cube = lazy("app.activity.cube")


def activity_root(settings: Settings) -> Root:
    """Return where the activity cube lies."""
    if "://" in settings.activity_store:
        return ObjectStore(settings.activity_store, settings.activity_cache, settings.activity_cache_gb << 30)
    return Path(settings.activity_store or settings.data_dir / "activity")


def engine_settings(settings: Settings) -> EngineSettings:
    """Return the settings of the analytical engine."""
    return EngineSettings(
        name=settings.activity_engine,
        memory_limit=settings.activity_memory,
        spark_master=settings.spark_master,
    )


def window(as_of: dt.date, width: int) -> list[dt.date]:
    """Return the dates of a window of ``width`` days as of a date."""
    return [as_of - dt.timedelta(days=n) for n in range(width - 1, -1, -1)]


def prepare(settings: Settings, days: Iterable[dt.date]) -> store.Snapshot:
    """Update the lead layer of ``days`` to the present lead list. Return the cube's newest state."""
    return cube.ensure_leads(
        activity_root(settings),
        sorted(set(days)),
        fingerprint(db.session),
        read_leads,
        settings=engine_settings(settings),
    )


def fingerprint(session: Any) -> str:
    """Return a short text that changes when a lead is added, is deleted or changes identity."""
    count, mixed = session.execute(
        text(
            "SELECT count(*), coalesce(bit_xor(hashtextextended(id_hash, id)), 0) FROM lead "
            "WHERE deleted_at IS NULL"
        )
    ).one()
    return f"{count}:{mixed & 0xFFFFFFFFFFFFFFFF:016x}"


def read_leads() -> pa.Table:
    """Return ``lead`` (int64) and ``person`` (the first 32 hex digits of the ID hash) of the live leads."""
    with adbc.connect(_libpq_uri()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT id AS lead, left(id_hash, 32) AS person FROM lead WHERE deleted_at IS NULL ORDER BY id"
        )
        return cursor.fetch_arrow_table()


def _libpq_uri() -> str:
    url = db.engine.url
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
