"""Statements with a deadline: a late one is cancelled and its transaction goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

#: how long a page waits for an exact number before it shows an estimate
SECONDS = 2.0
_BIND = text("SELECT set_config('statement_timeout', :bound, true)")
_CANCELLED_BY_TIMEOUT = "57014"


class DeadlineExceeded(Exception):
    """The deadline passed before the statement ended."""


class Deadline:
    """A limit in seconds on the total time of a session's statements; None means no limit."""

    def __init__(self, session: Any, seconds: float | None = SECONDS) -> None:
        self._session = session
        self._until = None if seconds is None else time.monotonic() + seconds

    def execute(self, statement: Any) -> Sequence[Any]:
        """Return the rows of a statement. Raises DeadlineExceeded; the transaction is then as before."""
        if self._until is None:
            return self._session.execute(statement).all()
        left = int((self._until - time.monotonic()) * 1000)
        if left <= 0:
            raise DeadlineExceeded
        try:
            with self._session.begin_nested():
                before = self._session.scalar(text("SHOW statement_timeout"))
                self._session.execute(_BIND, {"bound": str(left)})
                rows = self._session.execute(statement).all()
                self._session.execute(_BIND, {"bound": before})
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != _CANCELLED_BY_TIMEOUT:
                raise
            raise DeadlineExceeded from None
        return rows
