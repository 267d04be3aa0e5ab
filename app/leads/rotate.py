"""Rotation of the phone encryption: every stored number comes under the newest key and the chosen cipher."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text

from app.errors import N_
from app.jobs.locks import Lock
from app.leads.errors import LeadsError
from app.leads.phone import PhoneVault
from config import Settings

#: the tables that hold phone numbers: the leads, and what imports changed of them
_TABLES = ("lead", "lead_before")
# Locked, so that a phone somebody changes meanwhile is not put back.
_COUNT = "SELECT count(*) FROM {table} WHERE substring(phone_cipher FROM 1 FOR 1) <> :header"
_BATCH = (
    "SELECT id, phone_cipher FROM {table}"
    " WHERE id > :after AND substring(phone_cipher FROM 1 FOR 1) <> :header"
    " ORDER BY id LIMIT :most FOR UPDATE"
)
_WRITE = (
    "UPDATE {table} SET phone_cipher = new.cipher"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:ciphers AS bytea[])) AS new (id, cipher)"
    " WHERE {table}.id = new.id"
)


def rotate(
    engine: Engine,
    settings: Settings,
    *,
    batch: int = 5000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, int]:
    """Encrypt again whatever is not under the newest key and cipher, ``batch`` numbers a transaction.

    Safe to interrupt and to repeat: what is done stays done, the rest is found by its header. Returns
    ``{"rotated", "undecipherable", "version"}``; a number whose key is not given stays as it is. Raises
    LeadsError ``rotation_running`` when another rotation is at work.
    """
    vault = PhoneVault.of(settings)
    done = {"rotated": 0, "undecipherable": 0, "version": settings.pii_key_version}
    with _alone(engine), engine.connect() as connection:
        counts = [text(_COUNT.format(table=table)) for table in _TABLES]
        total = sum(connection.execute(each, {"header": vault.header}).scalar_one() for each in counts)
        connection.rollback()
        for table in _TABLES:
            for ids, sealed, failed in _batches(connection, table, vault, batch):
                connection.execute(text(_WRITE.format(table=table)), {"ids": ids, "ciphers": sealed})
                connection.commit()
                done["rotated"] += len(ids)
                done["undecipherable"] += failed
                progress(done["rotated"] + done["undecipherable"], total)
    return done


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold the rotation's lock on a connection of its own; it goes when the process does."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(select(func.pg_try_advisory_lock(int(Lock.ROTATION)))):
            raise LeadsError("rotation_running", N_("Another rotation is at work; wait until it ends."))
        try:
            yield
        finally:
            connection.execute(select(func.pg_advisory_unlock(int(Lock.ROTATION))))


def _batches(
    connection: Connection, table: str, vault: PhoneVault, most: int
) -> Iterator[tuple[list[int], list[bytes], int]]:
    after = 0
    while rows := connection.execute(
        text(_BATCH.format(table=table)), {"after": after, "header": vault.header, "most": most}
    ).all():
        after = rows[-1].id
        yield _sealed_again(vault, rows)


def _sealed_again(vault: PhoneVault, rows: Sequence[Any]) -> tuple[list[int], list[bytes], int]:
    """Ids and new ciphertexts of the rows that can be read, and how many can't."""
    ids, sealed = [], []
    for row in rows:
        try:
            sealed.append(vault.encrypt(vault.decrypt(bytes(row.phone_cipher))))
        except LeadsError:
            continue
        ids.append(row.id)
    return ids, sealed, len(rows) - len(ids)
