"""The sealed chain: every committed entry, in the order of transactions, hashed with the one before.

``hash = SHA-256(previous hash + SHA-256(canonical JSON of the entry))``. Writers never wait for sealing. An
entry is sealed once every transaction that began before its own has ended, so that no entry can be inserted
before it later.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import threading
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.dialects.postgresql import insert

from app.audit import checkpoints
from app.audit.checkpoints import Checkpoint
from app.jobs.locks import Lock, try_lock
from app.models import ChangeSeal
from config import Settings

LINK_ENTRIES = 10_000
SEAL_SECONDS = 3.0
GENESIS = bytes(32)
#: greater than every transaction: the end of what another server's transactions wrote
ALL_XIDS = 2**62
NO_CEILING = 2**62
FIELDS = (
    "id, time, xid, kind, object, object_id, title, actor, source, address, request, db_user, rows, digest,"
    " changes"
)
#: the hash of a single entry; ``time`` is formatted in the session's time zone, which has to be UTC
ENTRY_HASH = f"sha256(convert_to(json_build_array({FIELDS})::text, 'UTF8'))"
UTC = text("SET LOCAL timezone = 'UTC'")
#: entries of a span in the order of the chain, as two byte strings: 8 bytes of id and 32 of hash each
SPAN = text(f"""
    SELECT coalesce(string_agg(int8send(id), ''), '') AS ids, coalesce(string_agg(hash, ''), '') AS hashes
    FROM (
        SELECT id, {ENTRY_HASH} AS hash FROM change_log
        WHERE xid >= :from_xid AND xid < :to_xid AND id > :floor_id AND id <= :ceiling
        ORDER BY xid, id
    ) AS entry
""")  # noqa: S608 - constants
#: the number of the next transaction, and of the oldest that runs in this database (the same when none does).
#: Transactions of other databases can't write here; they are told apart by who holds the lock on their
#: number.
_HORIZON = text("""
    SELECT pg_snapshot_xmax(snapshot)::text::bigint AS next_xid,
           (SELECT coalesce(min(running), pg_snapshot_xmax(snapshot))::text::bigint
            FROM pg_snapshot_xip(snapshot) AS running
            WHERE running::xid NOT IN (
                SELECT held.transactionid FROM pg_locks AS held JOIN pg_stat_activity AS at USING (pid)
                WHERE held.locktype = 'transactionid' AND held.mode = 'ExclusiveLock' AND held.granted
                  AND at.datid <> (SELECT oid FROM pg_database WHERE datname = current_database())
            )) AS horizon
    FROM pg_current_snapshot() AS snapshot
""")
_SPAN = "FROM change_log WHERE xid >= :from_xid AND xid < :to_xid AND id > :floor_id AND id <= :ceiling"
_NTH = text(f"SELECT xid {_SPAN} ORDER BY xid, id OFFSET :offset LIMIT 1")
_FACETS = text(f"""
    INSERT INTO change_facet AS known
    SELECT actor, object, kind, source, min(time), max(time) {_SPAN} GROUP BY actor, object, kind, source
    ON CONFLICT (actor, object, kind, source) DO UPDATE
    SET first = least(known.first, excluded.first), last = greatest(known.last, excluded.last)
""")  # noqa: S608 - constants
_LAST_OF_FORMER = text("""
    SELECT greatest(
        (SELECT coalesce(max(entry), 0) FROM change_seal, unnest(entries) AS entry),
        (SELECT coalesce(max(id), 0) FROM change_log WHERE xid >= :to_xid))
""")

log = logging.getLogger(__name__)


class Position(NamedTuple):
    """The end of the chain after a link."""

    seq: int = 0
    to_xid: int = 0
    floor_id: int = 0
    total: int = 0
    head: bytes = GENESIS


def chain_hashes(previous: bytes, hashes: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chain's hash after each of the entries' own hashes."""
    for each in hashes:
        previous = hashlib.sha256(previous + each).digest()
        yield previous


def split_bytes(joined: bytes, size: int) -> list[bytes]:
    """Split a byte string into parts of equal size."""
    return [joined[start : start + size] for start in range(0, len(joined), size)]


def seal(engine: Engine, settings: Settings) -> int:
    """Seal the entries that can be sealed and append checkpoints. Return the number of entries.

    It is 0 while another process is sealing. Raises OSError when a checkpoint can't be written; the entries
    stay sealed, and the next call writes it.
    """
    sealed = 0
    while True:
        with engine.begin() as connection:
            link = _next_link(connection)
            if link is None:
                _append_missing_checkpoint(connection, settings)
                return sealed
        if link.entries:
            checkpoints.append(settings, checkpoint_of(link))
        sealed += len(link.entries)


def seal_forever(engine: Engine, settings: Settings, stop: threading.Event, every: float) -> None:
    """Seal every few seconds until ``stop`` is set. Errors are logged, and the next round tries again."""
    while not stop.wait(every):
        try:
            seal(engine, settings)
        except Exception:
            log.exception("sealing the change log failed; the next round tries again")


def checkpoint_of(link: ChangeSeal) -> Checkpoint:
    """Return the checkpoint of a link."""
    at = link.sealed_at.astimezone(dt.UTC).isoformat()
    return Checkpoint(link.seq, link.entries[0], link.entries[-1], link.total, link.head.hex(), at)


def last_link(connection: Connection) -> Any | None:
    """Return the newest link, None when there is none."""
    return connection.execute(select(ChangeSeal.__table__).order_by(ChangeSeal.seq.desc()).limit(1)).first()


def _next_link(connection: Connection) -> Any | None:
    if not try_lock(connection, Lock.AUDIT_SEAL):
        return None
    connection.execute(UTC)
    last = last_link(connection)
    position = Position(last.seq, last.to_xid, last.floor_id, last.total, last.head) if last else Position()
    # Read after the lock: transactions below the horizon have ended, and the next statement sees all they
    # wrote.
    next_xid, horizon = connection.execute(_HORIZON).one()
    if position.to_xid == ALL_XIDS:
        ceiling = connection.scalar(_LAST_OF_FORMER, {"to_xid": ALL_XIDS})
        position = position._replace(to_xid=0, floor_id=int(ceiling or 0))
    elif next_xid < position.to_xid:
        # The database was restored on another server, whose transaction numbers start again.
        ceiling = connection.scalar(_LAST_OF_FORMER, {"to_xid": position.to_xid})
        return _link(connection, position, ALL_XIDS, int(ceiling or 0), whole=True)
    return _link(connection, position, horizon, NO_CEILING)


def _link(
    connection: Connection, position: Position, horizon: int, ceiling: int, *, whole: bool = False
) -> Any | None:
    span = {
        "from_xid": position.to_xid,
        "to_xid": horizon,
        "floor_id": position.floor_id,
        "ceiling": ceiling,
    }
    to_xid = horizon if whole else _end(connection, span, horizon)
    entries = connection.execute(SPAN, span | {"to_xid": to_xid}).one()
    ids = [int.from_bytes(each) for each in split_bytes(bytes(entries.ids), 8)]
    if not ids and not whole:
        return None
    connection.execute(_FACETS, span | {"to_xid": to_xid})
    hashes = list(chain_hashes(position.head, split_bytes(bytes(entries.hashes), 32)))
    values = {
        "seq": position.seq + 1,
        "floor_id": position.floor_id,
        "from_xid": position.to_xid,
        "to_xid": to_xid,
        "total": position.total + len(ids),
        "entries": ids,
        "hashes": b"".join(hashes),
        "head": hashes[-1] if hashes else position.head,
    }
    return connection.execute(
        insert(ChangeSeal.__table__).values(values).returning(ChangeSeal.__table__)
    ).one()


def _end(connection: Connection, span: dict[str, int], horizon: int) -> int:
    """Return where the link ends: after about LINK_ENTRIES entries, never within a transaction."""
    next_xid = connection.scalar(_NTH, span | {"offset": LINK_ENTRIES})
    if next_xid is None:
        return horizon
    first = connection.scalar(_NTH, span | {"offset": 0})
    return int(next_xid) if next_xid != first else int(next_xid) + 1


def _append_missing_checkpoint(connection: Connection, settings: Settings) -> None:
    """Write the checkpoint that a crash or a full disk prevented, and log an error for a shortened chain."""
    last = last_link(connection)
    newest = checkpoints.newest(settings)
    if newest is not None and (last is None or last.seq < newest.seq):
        log.error("the change log is shorter than checkpoint %s says: run flask audit verify", newest.seq)
    elif last is not None and last.entries and (newest is None or newest.seq < last.seq):
        checkpoints.append(settings, checkpoint_of(last))
