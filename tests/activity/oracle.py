"""Independent definitions of metrics and operators, for the brute-force checks of several tests."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Event(Protocol):
    """An event that a condition counts."""

    @property
    def at(self) -> dt.datetime: ...
    @property
    def institution(self) -> str: ...


#: metric → its value over the events that a condition counts
VALUE: dict[str, Callable[[Sequence[Event]], int]] = {
    "calls": len,
    "institutions": lambda events: len({each.institution for each in events}),
    "active_days": lambda events: len({each.at.date() for each in events}),
}
OPS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "<=": operator.le,
    "<": operator.lt,
}
