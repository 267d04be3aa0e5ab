"""Key rotation: every stored phone number is encrypted again with the newest key and configured cipher."""

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

#: tables with phone numbers: leads, their former values kept for the undo of imports, and staff
_TABLES = ("lead", "lead_before", "ab_user")
_COUNT = "SELECT count(*) FROM {table} WHERE substring(phone_cipher FROM 1 FOR 1) <> :header"
# The rows are locked, so that a phone changed in the meantime is not overwritten.
_SELECT = (
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
    rows: int = 5000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, int]:
    """Encrypt the numbers again that are not under the newest key and cipher, ``rows`` in each transaction.

    Safe to interrupt and to repeat, because the remaining numbers are found by their header. Return
    ``{"rotated", "undecipherable", "version"}``; a number whose key is missing stays unchanged. Raises
    LeadsError ``rotation_running`` while another rotation runs.
    """
    vault = PhoneVault.of(settings)
    done = {"rotated": 0, "undecipherable": 0, "version": settings.pii_key_version}
    with _rotation_lock(engine), engine.connect() as connection:
        counts = [text(_COUNT.format(table=table)) for table in _TABLES]
        total = sum(connection.execute(each, {"header": vault.header}).scalar_one() for each in counts)
        connection.rollback()
        for table in _TABLES:
            for ids, sealed, failed in _encrypted_chunks(connection, table, vault, rows):
                connection.execute(text(_WRITE.format(table=table)), {"ids": ids, "ciphers": sealed})
                connection.commit()
                done["rotated"] += len(ids)
                done["undecipherable"] += failed
                progress(done["rotated"] + done["undecipherable"], total)
    return done


@contextmanager
def _rotation_lock(engine: Engine) -> Iterator[None]:
    """Hold the rotation's lock on a connection of its own, so that it ends with the process."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(select(func.pg_try_advisory_lock(int(Lock.ROTATION)))):
            raise LeadsError(
                "rotation_running", N_("Another key rotation is running; wait until it has finished.")
            )
        try:
            yield
        finally:
            connection.execute(select(func.pg_advisory_unlock(int(Lock.ROTATION))))


def _encrypted_chunks(
    connection: Connection, table: str, vault: PhoneVault, most: int
) -> Iterator[tuple[list[int], list[bytes], int]]:
    after = 0
    while rows := connection.execute(
        text(_SELECT.format(table=table)), {"after": after, "header": vault.header, "most": most}
    ).all():
        after = rows[-1].id
        yield _encrypt_again(vault, rows)


def _encrypt_again(vault: PhoneVault, rows: Sequence[Any]) -> tuple[list[int], list[bytes], int]:
    """Return the ids and new ciphertexts of the readable rows, and the number of unreadable ones."""
    ids, sealed = [], []
    for row in rows:
        try:
            sealed.append(vault.encrypt(vault.decrypt(bytes(row.phone_cipher))))
        except LeadsError:
            continue
        ids.append(row.id)
    return ids, sealed, len(rows) - len(ids)
