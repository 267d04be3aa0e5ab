"""Entries that are not sealed yet, and whose open transaction they wait for."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import Connection, text

from app.audit.chain import last_link

#: so many are counted; more are said as this many
MOST = 10_000
_WAITING = text("""
    WITH unsealed AS MATERIALIZED (
        SELECT time FROM change_log WHERE xid >= :to_xid AND id > :floor_id LIMIT :most
    )
    SELECT count(*) AS entries, min(time) AS since FROM unsealed
""")
_OLDEST = text("""
    SELECT concat_ws(' ', at.usename, 'pid', at.pid) AS whose, at.xact_start AS since
    FROM pg_locks AS held JOIN pg_stat_activity AS at USING (pid)
    WHERE held.locktype = 'transactionid' AND held.mode = 'ExclusiveLock' AND held.granted
      AND at.datname = current_database() AND at.pid <> pg_backend_pid()
    ORDER BY age(held.transactionid) DESC LIMIT 1
""")


class Unsealed(NamedTuple):
    """How many entries wait (at most MOST), and since when the oldest does."""

    entries: int
    since: dt.datetime | None


class Holder(NamedTuple):
    """The oldest transaction of the database that writes: database user and process, begun when if known."""

    whose: str
    since: dt.datetime | None


def unsealed(connection: Connection) -> Unsealed:
    """What is not sealed at this moment."""
    last = last_link(connection)
    place = {"to_xid": last.to_xid if last else 0, "floor_id": last.floor_id if last else 0}
    found = connection.execute(_WAITING, place | {"most": MOST}).one()
    return Unsealed(found.entries, found.since)


def holder(connection: Connection) -> Holder | None:
    """Whose transaction sealing waits for; None when none is open."""
    found = connection.execute(_OLDEST).first()
    return Holder(found.whose, found.since) if found else None
