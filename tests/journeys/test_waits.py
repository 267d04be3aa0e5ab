"""Waits: hours are real ones, days keep the wall clock over month ends, holidays and changes of the clock."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from app.journeys.definition import JourneyDef
from app.journeys.draw import Draw
from app.journeys.plan import Plan
from app.journeys.step import DONE, Batch, advance
from app.journeys.world import World
from app.lib.wall_clock import WallClock, seconds_of
from app.outreach.openings import Openings
from app.outreach.settings import OutreachSettings
from app.schedules.calendar import Calendar
from tests.journeys.support import journey, sms, wait

FAR = dt.timedelta(days=500)


def led(zone: str, entered: str, **how: Any) -> tuple[str, str]:
    """Return the local moments at which a wait ends and the contact after it goes."""
    plan = Plan(JourneyDef.model_validate(journey(wait("wait", "sms", **how), sms("sms"))), Draw(b"", "J"))
    local = dt.datetime.fromisoformat(entered)
    place, first, last = ZoneInfo(zone), local.date() - FAR, local.date() + FAR
    began = np.array([seconds_of(local.replace(tzinfo=place))], np.int64)
    openings = Openings(OutreachSettings(), Calendar(), place, first, last)
    alone = np.zeros(1, np.int64)
    world = World(WallClock(place, first, last), openings, [], alone, alone, began, alone.astype(np.uint64))
    batch, found = Batch.starting(plan, world, alone, began), []
    for number in (0, 1):
        moves = advance(plan, number, batch, world, int(began[0]) + 40_000_000)
        assert moves.status[0] == DONE
        found.append(dt.datetime.fromtimestamp(int(moves.at[0]), place).strftime("%Y-%m-%d %H:%M"))
        batch = Batch(moves.batch.who, moves.at, moves.batch.answer, moves.batch.recent)
    return found[0], found[1]


@pytest.mark.parametrize(
    ("zone", "entered", "how", "ends", "goes"),
    [
        # Over the ends of months, of a year, and of a February with 29 days.
        ("Asia/Shanghai", "2026-01-30 10:30", {"days": 3}, "2026-02-02 10:30", "2026-02-02 10:30"),
        ("Asia/Shanghai", "2025-12-31 10:30", {"days": 5}, "2026-01-05 10:30", "2026-01-05 10:30"),
        ("Asia/Shanghai", "2028-02-27 10:30", {"days": 3}, "2028-03-01 10:30", "2028-03-01 10:30"),
        # The wait ends on a holiday; the contact goes on the first day after the holidays.
        ("Asia/Shanghai", "2025-09-28 10:30", {"days": 5}, "2025-10-03 10:30", "2025-10-09 09:00"),
        ("Asia/Shanghai", "2025-09-30 20:30", {"hours": 1}, "2025-09-30 21:30", "2025-10-09 09:00"),
        # Days keep the wall clock when the clock changes, hours don't.
        ("Europe/Berlin", "2026-03-28 10:30", {"days": 1}, "2026-03-29 10:30", "2026-03-29 10:30"),
        ("Europe/Berlin", "2026-03-28 10:30", {"hours": 24}, "2026-03-29 11:30", "2026-03-29 11:30"),
        ("Europe/Berlin", "2026-10-24 10:30", {"days": 1}, "2026-10-25 10:30", "2026-10-25 10:30"),
        ("Europe/Berlin", "2026-10-24 10:30", {"hours": 24}, "2026-10-25 09:30", "2026-10-25 09:30"),
        # A time that is skipped, or comes twice, is taken as before the change.
        ("Europe/Berlin", "2026-03-28 10:30", {"at": "02:30"}, "2026-03-29 03:30", "2026-03-29 09:00"),
        ("Europe/Berlin", "2026-10-24 10:30", {"at": "02:30"}, "2026-10-25 02:30", "2026-10-25 09:00"),
        ("Asia/Shanghai", "2026-03-02 10:30", {"at": "10:30"}, "2026-03-03 10:30", "2026-03-03 10:30"),
    ],
)
def test_waits_end_by_the_wall_clock_and_contacts_go_when_they_may(
    zone: str, entered: str, how: dict[str, Any], ends: str, goes: str
) -> None:
    assert led(zone, entered, **how) == (ends, goes)
