"""Sealing and verifying where other workers' databases share the server.

What may be sealed ends at the oldest transaction that runs anywhere on the server, so a test first waits for
those that began before it.
"""

from __future__ import annotations

import time

from sqlalchemy import Engine, text

from app.audit import chain
from app.audit import verify as verification
from app.audit.verify import Verdict
from config import Settings

LONGEST_SECONDS = 60


def settle(engine: Engine) -> None:
    """Wait until no transaction runs that began before now."""
    with engine.begin() as connection:
        now = connection.scalar(text("SELECT pg_current_xact_id()::text::bigint"))
    ended = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > :now")
    deadline = time.monotonic() + LONGEST_SECONDS
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(ended, {"now": now}):
            assert time.monotonic() < deadline, "a transaction of another test does not end"


def seal(engine: Engine, settings: Settings) -> int:
    """Seal everything that is committed; how many entries."""
    settle(engine)
    return chain.seal(engine, settings)


def verify(engine: Engine, settings: Settings) -> Verdict:
    """Verify everything that is committed."""
    settle(engine)
    return verification.verify(engine, settings)
