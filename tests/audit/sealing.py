"""Sealing in tests, whatever else runs on the server."""

from __future__ import annotations

from sqlalchemy import Engine, text

from app.audit.chain import seal
from app.embedded.server import wait_until
from config import Settings


def seal_all(engine: Engine, settings: Settings) -> int:
    """Seal all entries. Return their number.

    A transaction that begins or ends in another database at the same moment can delay them by a call.
    """
    sealed = 0

    def is_done() -> bool:
        nonlocal sealed
        sealed += seal(engine, settings)
        with engine.connect() as connection:
            total = connection.scalar(text("SELECT max(total) FROM change_seal"))
            return bool(total == connection.scalar(text("SELECT count(*) FROM change_log")))

    assert wait_until(is_done, 30)
    return sealed
