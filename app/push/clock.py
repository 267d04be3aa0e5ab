"""The time by which slots fall due and deliveries are retried. Leases go by the database's own clock."""

from __future__ import annotations

import datetime as dt


def utc_now() -> dt.datetime:
    """The present moment."""
    return dt.datetime.now(dt.UTC)
