"""Slots of paced journeys, given to many at once, against a plain loop over those who ask."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from app.journeys.pacing import ANYBODY, NO_LIMIT, Asked, Key, Slots
from app.journeys.plan import CHANNELS
from app.lib.wall_clock import WallClock, number_of, seconds_of
from app.outreach.openings import NEVER, Openings
from app.outreach.settings import OutreachSettings
from app.schedules.calendar import Calendar

ZONE = ZoneInfo("Asia/Shanghai")
FIRST, LAST = dt.date(2026, 7, 1), dt.date(2026, 7, 20)
WORLD: Any = SimpleNamespace(
    clock=WallClock(ZONE, FIRST, LAST),
    openings=Openings(OutreachSettings(), Calendar(), ZONE, FIRST, LAST),
)
START = seconds_of(dt.datetime.combine(FIRST, dt.time(), ZONE))


def some(chance: Any, n: int, versions: int) -> Asked:
    """Return slots that are asked for, many of them on the same days."""
    first = WORLD.openings.first(START + chance.integers(0, 22 * 86_400, n))
    call = chance.integers(0, 2, n)
    most, of_owner = (
        chance.integers(1, limit, (versions, 2))[chance.integers(0, versions, n), call] for limit in (9, 4)
    )
    unlimited = chance.random(2) < 0.3
    return Asked(
        minute=START + chance.integers(0, 3, n) * 60,
        lead=chance.permutation(n),
        first=first,
        last=np.where(chance.random(n) < 0.5, NEVER, first + chance.integers(-2, 6, n) * 86_400),
        owner=chance.integers(0, 6, n),
        channel=call,
        most=np.where(unlimited[call], NO_LIMIT, most),
        of_owner=np.where(call == 1, of_owner, NO_LIMIT),
    )


def one_by_one(asked: Asked, given: dict[tuple[Key, int], int]) -> list[int]:
    """Return the slot of each; count them in what is given."""
    slots = [0] * len(asked.lead)
    columns = [each.tolist() for each in asked]
    rows = list(zip(*columns, strict=True))
    for place in sorted(range(len(rows)), key=lambda each: rows[each][:2]):
        _minute, _lead, moment, last, owner, channel, most, of_owner = rows[place]
        limits = [(Key(CHANNELS[channel], ANYBODY), most)] if most < NO_LIMIT else []
        if owner and of_owner < NO_LIMIT:
            limits.append((Key(CHANNELS[channel], owner), of_owner))
        while moment <= last and moment < NEVER:
            day = int(WORLD.clock.days(moment))
            if all(given.get((key, day), 0) < limit for key, limit in limits):
                for key, _limit in limits:
                    given[key, day] = given.get((key, day), 0) + 1
                slots[place] = moment
                break
            moment = int(WORLD.openings.first(WORLD.clock.midnights(day + 1)))
    return slots


@pytest.mark.parametrize("seed", range(40))
def test_slots_are_given_as_to_one_after_the_other(seed: int) -> None:
    chance = np.random.default_rng(seed)
    given = {(Key("call", 1), number_of(FIRST) + 2): 3, (Key("sms", ANYBODY), number_of(FIRST) + 1): 8}
    slots, known = Slots(WORLD, given, until=START + 9 * 86_400), dict(given)
    later = [0, 0]
    for n in (1, 150, 80):
        asked = some(chance, n, versions=1 + seed % 3)
        found = one_by_one(asked, known)
        assert slots.give(asked).tolist() == found
        for moment, first, channel in zip(found, asked.first.tolist(), asked.channel.tolist(), strict=True):
            later[channel] += first < moment <= START + 9 * 86_400
    assert slots.given == known
    assert slots.later.tolist() == later
