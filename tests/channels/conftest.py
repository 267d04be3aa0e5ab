"""Messages for tests of channels."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from app.channels.base import HitLine, Message


def line(number: int, **given: Any) -> HitLine:
    """Return a hit as channels receive it."""
    values = {
        "id": number,
        "lead_id": number,
        "lead_no": f"L{number}",
        "phone": f"138****000{number % 10}",
        "branch": "HOME",
        "rule_code": "R-1",
        "rule_name": "活跃机构命中",
        "rule_version": 1,
        "hit_date": "2026-10-26",
        "grade": "ABCD"[number % 4],
        "score": float(number),
        "status": "waiting",
        "reason": "近7天活跃5次",
        "opted_out": False,
    }
    return HitLine(**{**values, **given})


@pytest.fixture
def message() -> Callable[..., Message]:
    """Return a message with a number of hits."""

    def make(hits: int = 2, lines: list[HitLine] | None = None, **given: Any) -> Message:
        values: dict[str, Any] = {
            "id": "msg_0123456789abcdef",
            "push_id": 7,
            "schedule": "S-1",
            "schedule_name": "每日推送",
            "slot": dt.datetime(2026, 10, 26, 1, tzinfo=dt.UTC),
            "hits": lines if lines is not None else [line(n) for n in range(1, hits + 1)],
            "total": hits,
        }
        return Message(**{**values, **given})

    return make
