"""Archiving: old months of the change log move from the database into files that stay verifiable."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from app.audit.archived import folder
from app.audit.chain import FIELDS, UTC, last_link
from app.audit.events import event
from app.audit.verify import verify
from app.errors import DomainError
from config import Settings

LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '5s'")
ROWS_AT_ONCE = 5000
_PARTITION = re.compile(r"change_log_([0-9]{4})_([0-9]{2})")
_PARTITIONS = text("""
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.change_log'::regclass ORDER BY c.relname
""")


def archive(engine: Engine, settings: Settings, before: dt.date) -> list[dict[str, Any]]:
    """Archive the months that ended before a date. Return ``{"month", "entries", "file", "sha256"}`` of each.

    The whole log is verified first, and a month's file is on disk before its partition is dropped. Raises
    DomainError when the log has been altered, when a month has entries that are not sealed yet, and when the
    log stays in use for too long.
    """
    verdict = verify(engine, settings)
    if not verdict.ok:
        raise DomainError(
            "The change log has been altered; the first bad entry is %(entry)s.",
            entry=verdict.first_bad,
        )
    with engine.connect() as connection:
        months = [name for name in connection.scalars(_PARTITIONS) if _ended(name, before)]
    return [_archive(engine, settings, name) for name in months]


def _ended(partition: str, before: dt.date) -> bool:
    month = _PARTITION.fullmatch(partition)
    return month is not None and dt.date(int(month[1]), int(month[2]), 1) < before.replace(day=1)


def _archive(engine: Engine, settings: Settings, partition: str) -> dict[str, Any]:
    path = folder(settings) / f"{partition}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with engine.begin() as connection:
            connection.execute(UTC)
            connection.execute(LOCK_TIMEOUT)
            # A past month gets no new entries, unless a clock is set back.
            connection.exec_driver_sql(f"LOCK TABLE audit.{partition} IN SHARE MODE")
            _check_sealed(connection, partition)
            count = _write(connection, partition, path)
            connection.exec_driver_sql(f"ALTER TABLE public.change_log DETACH PARTITION audit.{partition}")
            connection.exec_driver_sql(f"DROP TABLE audit.{partition}")
    except OperationalError as error:
        raise DomainError("The change log is in use; try again later.") from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    event("archived", "change_log", title=path.name, entries=count, sha256=digest)
    return {"month": partition[-7:].replace("_", "-"), "entries": count, "file": str(path), "sha256": digest}


def _check_sealed(connection: Connection, partition: str) -> None:
    last = last_link(connection)
    position = {"floor": last.floor_id if last else 0, "xid": last.to_xid if last else 0}
    unsealed = f"SELECT count(*) FROM audit.{partition} WHERE id > :floor AND xid >= :xid"  # noqa: S608
    if connection.scalar(text(unsealed), position):
        raise DomainError(
            "%(month)s has entries that are not sealed yet; try again later.", month=partition[-7:]
        )


def _write(connection: Connection, partition: str, path: Path) -> int:
    """Write the entries of a partition to a file that gets its name once it is complete and on disk.

    Return their number.
    """
    part, count = path.with_suffix(".part"), 0
    query = f"SELECT json_build_array({FIELDS})::text FROM audit.{partition} ORDER BY xid, id"  # noqa: S608
    rows = connection.execute(text(query).execution_options(yield_per=ROWS_AT_ONCE)).scalars()
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as raw:
        with gzip.open(raw, "wb") as file:
            for row in rows:
                file.write(row.encode() + b"\n")
                count += 1
        raw.flush()
        os.fsync(raw.fileno())
    part.replace(path)
    folder_handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder_handle)
    finally:
        os.close(folder_handle)
    return count
