"""PostgreSQL advisory locks that are held until the end of a transaction."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.orm import Session


class Lock(IntEnum):
    """The first key of each advisory lock; the second is the row, where one row is locked."""

    HITS = 7001
    LOOKUP = 7002
    ROTATION = 7003
    AUDIT_INSTALL = 7010
    AUDIT_SEAL = 7011
    ASSIGNMENT = 7020
    ESCALATION = 7021
    COUNTS = 7022
    REMINDERS = 7023
    OUTREACH_CHECK = 7031
    OUTREACH_PERSON = 7032
    OUTREACH_CONFIRM = 7033
    TEST_SMS = 7034
    OUTREACH_RULES = 7035
    JOURNEY_SLOTS = 7036
    SCHEDULE = 7040
    IMPORT = 7050
    SUPPRESSIONS = 7051
    INBOX = 7060


def wait_for_lock(connection: Connection | Session, lock: Lock, key: int | ColumnElement[int] = 0) -> None:
    """Wait for a lock, and hold it until the transaction ends."""
    connection.execute(select(func.pg_advisory_xact_lock(int(lock), key)))


def try_lock(connection: Connection | Session, lock: Lock, key: int = 0) -> bool:
    """Take a lock until the transaction ends. Return False when another transaction holds it."""
    taken: Any = connection.scalar(select(func.pg_try_advisory_xact_lock(int(lock), key)))
    return bool(taken)
