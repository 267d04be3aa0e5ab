"""Statements that a person waits for: they end when the patience does, and the transaction goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

#: how long a person waits for an exact number before an estimate will do
SECONDS = 2.0
_BIND = text("SELECT set_config('statement_timeout', :bound, true)")
_CANCELLED_BY_TIMEOUT = "57014"


class TookTooLong(Exception):
    """The patience ended before the statement did."""


class Patience:
    """Runs statements of a session that together may take so many seconds; None: as long as they take."""

    def __init__(self, session: Any, seconds: float | None = SECONDS) -> None:
        self._session = session
        self._until = None if seconds is None else time.monotonic() + seconds

    def execute(self, statement: Any) -> Sequence[Any]:
        """The rows of a statement. Raises TookTooLong, and the session's transaction is as before."""
        if self._until is None:
            return self._session.execute(statement).all()
        left = int((self._until - time.monotonic()) * 1000)
        if left <= 0:
            raise TookTooLong
        try:
            with self._session.begin_nested():
                before = self._session.scalar(text("SHOW statement_timeout"))
                self._session.execute(_BIND, {"bound": str(left)})
                rows = self._session.execute(statement).all()
                self._session.execute(_BIND, {"bound": before})
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != _CANCELLED_BY_TIMEOUT:
                raise
            raise TookTooLong from None
        return rows
