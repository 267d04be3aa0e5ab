"""The one clock of the tests: the present moment, and the product's local date."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

#: TIMEZONE of every test's product
ZONE = ZoneInfo("Asia/Shanghai")


def now() -> dt.datetime:
    """The present moment in UTC."""
    return dt.datetime.now(dt.UTC)


def today() -> dt.date:
    """The present date in the product's zone, whatever the machine's zone is."""
    return now().astimezone(ZONE).date()
