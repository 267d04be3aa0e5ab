"""Simulation of a journey of 20 steps over 90 days: ``python bench/journeys.py [PEOPLE] [SMS [CALLS]]``.

With a number of SMS a day the journey is paced, with one of calls those of each marketer as well.
"""

from __future__ import annotations

import datetime as dt
import os
import resource
import sys
import time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from app.journeys.definition import JourneyDef
from app.journeys.draw import Draw, places
from app.journeys.plan import Plan
from app.journeys.simulation import Callers, Candidates, simulate
from app.journeys.world import World
from app.lib.wall_clock import WallClock, number_of, seconds_of
from app.outreach.caps import caps_of
from app.outreach.openings import NEVER, Openings
from app.outreach.settings import OutreachSettings
from app.schedules.calendar import Calendar

ZONE = ZoneInfo("Asia/Shanghai")
FIRST, LAST = dt.date(2026, 7, 1), dt.date(2026, 9, 28)
AROUND = dt.timedelta(days=60)
#: owners whose calls are counted
CALLERS = 2_000


def steps() -> list[dict[str, Any]]:
    """Return ten contacts by SMS and call with a wait after each, half of them for an answer."""
    made: list[dict[str, Any]] = []
    for number in range(10):
        wait, after = f"w{number}", f"c{number + 1}" if number < 9 else "end"
        channel = "sms" if number % 3 else "call"
        contact = {"do": "contact", "channel": channel, "template": "T", "hold_hours": 48, "then": wait}
        how = {"days": 7, "until": "answered", "timeout": after} if number % 2 else {"hours": 150}
        made += [{"id": f"c{number}", **contact}, {"id": wait, "do": "wait", **how, "then": after}]
    return [*made, {"id": "end", "do": "end"}]


def world_of(plan: Plan, people: int) -> World:
    """Return a made-up world: who enters in 20 days, every tenth reaches the goal, every fifth answers."""
    chance = np.random.default_rng(1)
    start = seconds_of(dt.datetime.combine(FIRST, dt.time(6), ZONE))
    entered = start + chance.integers(0, 20, people) * 86_400
    bought = entered + chance.integers(0, 60, people) * 86_400
    goal = np.where(chance.random(people) < 0.1, bought, NEVER)
    bits = chance.integers(0, 1 << 63, people).astype(np.uint64)
    leads, settings, span = np.arange(people), OutreachSettings(), (FIRST - AROUND, LAST + AROUND)
    world = World(
        *(WallClock(ZONE, *span), Openings(settings, Calendar(), ZONE, *span), caps_of(settings)),
        *(leads, leads, entered, bits),
        leaving={"goal": (goal, None)},
        owners=leads % CALLERS + 1,
    )

    def answers(who: Any, place: int, moments: Any) -> Any:
        drawn = places(world.bits[who], plan.steps[place].key, world.entered[who])
        return np.where(drawn < (1 << 32) // 5, moments, NEVER)

    world.answers = answers
    return world


def main() -> None:
    """Print seconds and memory of one simulation."""
    people, *most = [int(each) for each in sys.argv[1:]] or [5_000_000]
    content: dict[str, Any] = {
        "code": "J",
        "name": "J",
        "trigger": {"on": "hit"},
        "goal": {"outcome": "any"},
        "steps": steps(),
    }
    if most:
        content["pacing"] = dict(zip(("sms", "calls_per_marketer"), most, strict=False))
    plan = Plan(JourneyDef.model_validate(content), Draw(b"key", "J"))
    world = world_of(plan, people)
    wall, cpu = time.perf_counter(), time.process_time()
    days = (number_of(FIRST), number_of(LAST))
    callers = Callers(world.leads % CALLERS, CALLERS)
    tally = simulate(plan, world, Candidates(world.leads, world.entered), days, callers=callers)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    later = f", {int(tally.later.sum()):,} of them on a later day" if most else ""
    print(
        f"{people:,} people, {int(tally.steps.sum()):,} steps, {int(tally.contacts.sum()):,} contacts{later}"
    )
    print(f"{wall:.1f} s, {cpu:.1f} s of processors, at most {memory:,} MB; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
