"""The clock of the tests: the current time, and the product's local date."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

#: the TIMEZONE setting of all tests
ZONE = ZoneInfo("Asia/Shanghai")


def now() -> dt.datetime:
    """Return the current time in UTC."""
    return dt.datetime.now(dt.UTC)


def today() -> dt.date:
    """Return the current date in the product's time zone, whatever the machine's is."""
    return now().astimezone(ZONE).date()
