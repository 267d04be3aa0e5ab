"""Planning of a year of pushes of various schedules: ``python bench/plan.py [ROUNDS]``."""

from __future__ import annotations

import datetime as dt
import random
import sys
import time
from typing import Any
from zoneinfo import ZoneInfo

from app.schedules.calendar import Calendar
from app.schedules.definition import DAYS, ScheduleDef
from app.schedules.plan import plan

ZONE = ZoneInfo("Asia/Shanghai")
SHAPES: dict[str, dict[str, Any]] = {
    "daily": {"preset": "daily"},
    "hourly": {"preset": "hourly"},
    "custom, 15 min": {"preset": "custom"},
    "custom, 1 min": {"preset": "custom", "interval_minutes": 1},
    "custom, 1 min, another grid each day": {
        "preset": "custom",
        "interval_minutes": 1,
        "grid": {day: "SSSSSSSS" + "HML" * 4 + "HMLS"[place % 4] * 4 for place, day in enumerate(DAYS)},
        "weekend": 3,
        "quiet_hours": ["21:00", "08:00"],
    },
    "hourly, a gap of 11 h that never forgets": {"preset": "hourly", "min_gap_seconds": 40_001},
}


def milliseconds(schedule: ScheduleDef, first: dt.date, *, walk: bool = False) -> float:
    """Return the milliseconds to plan 365 days; with ``walk`` every push is visited, too."""
    started = time.perf_counter()
    pushes = plan(schedule, first, 365, ZONE, Calendar())
    if walk:
        for _push in pushes:
            pass
    return (time.perf_counter() - started) * 1000


def some_schedule(chance: random.Random) -> ScheduleDef:
    """Return a random schedule that uses every feature."""
    rows = {day: "".join(chance.choices("HMLS", k=24)) for day in DAYS}
    return ScheduleDef(
        code="S",
        name="s",
        rules=["R"],
        preset=chance.choice(["hourly", "daily", "every_7_days", "every_30_days", "custom"]),
        start_date=dt.date(2025, 12, 3),
        interval_minutes=chance.choice([1, 2, 5, 15, 60]),
        grid=rows,
        min_gap_seconds=chance.choice([0, 30, 900, 5400, 40_001, 86_400]),
        weekend=chance.choice(["normal", "silent", 3]),
        holidays=chance.choice(["normal", "weekend", "silent"]),
        quiet_hours=chance.choice([None, ["21:00", "08:00"]]),
    )


def main() -> None:
    """Print the times of fixed schedules, and the slowest of many random ones."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    first = dt.date(2026, 1, 1)
    print(f"{'':<42}{'slots':>9}{'plan':>9}{'and look':>10}")
    for name, fields in SHAPES.items():
        schedule = ScheduleDef(code="S", name="s", rules=["R"], **fields)
        slots = len(plan(schedule, first, 365, ZONE, Calendar()))
        best = min(milliseconds(schedule, first) for _ in range(3))
        walked = min(milliseconds(schedule, first, walk=True) for _ in range(3))
        print(f"{name:<42}{slots:>9,}{best:>6.0f} ms{walked:>7.0f} ms")
    chance = random.Random(1)
    schedules = [some_schedule(chance) for _ in range(rounds)]
    took = sorted((min(milliseconds(s, first) for _ in range(2)), s.preset) for s in schedules)
    print(f"{rounds} random schedules: median {took[rounds // 2][0]:.0f} ms, slowest {took[-1][0]:.0f} ms")


if __name__ == "__main__":
    main()
