"""Entries that are not sealed yet, and the open transaction that delays them."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import Connection, text

from app.audit.chain import last_link

#: entries that are counted; more are reported as this many
MAX_COUNTED = 10_000
_WAITING = text("""
    WITH unsealed AS MATERIALIZED (
        SELECT time FROM change_log WHERE xid >= :to_xid AND id > :floor_id LIMIT :most
    )
    SELECT count(*) AS entries, min(time) AS since FROM unsealed
""")
_OLDEST = text("""
    SELECT concat_ws(' ', at.usename, 'pid', at.pid) AS session, at.xact_start AS since
    FROM pg_locks AS held JOIN pg_stat_activity AS at USING (pid)
    WHERE held.locktype = 'transactionid' AND held.mode = 'ExclusiveLock' AND held.granted
      AND at.datname = current_database() AND at.pid <> pg_backend_pid()
    ORDER BY age(held.transactionid) DESC LIMIT 1
""")


class Unsealed(NamedTuple):
    """The number of unsealed entries (at most MAX_COUNTED) and the time of the oldest."""

    entries: int
    since: dt.datetime | None


class OpenTransaction(NamedTuple):
    """The oldest writing transaction of the database: its user and process, and its start if known."""

    session: str
    since: dt.datetime | None


def unsealed(connection: Connection) -> Unsealed:
    """Count the entries that are not sealed at present."""
    last = last_link(connection)
    position = {"to_xid": last.to_xid if last else 0, "floor_id": last.floor_id if last else 0}
    row = connection.execute(_WAITING, position | {"most": MAX_COUNTED}).one()
    return Unsealed(row.entries, row.since)


def oldest_transaction(connection: Connection) -> OpenTransaction | None:
    """Return the open transaction that sealing waits for, None when none is open."""
    row = connection.execute(_OLDEST).first()
    return OpenTransaction(row.session, row.since) if row else None
