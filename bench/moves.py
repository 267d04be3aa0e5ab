"""Putting a version of a journey in force, moving those under way to it, and going on after a stop.

``python bench/moves.py [PEOPLE]`` (default 1,000,000), all of whom wait at one of two steps. CPU seconds are
those of this process and of the server process that does the work.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from sqlalchemy import text

from app.extensions import db
from app.journeys import canary, moves, stops, versions
from app.journeys.definition import JourneyDef
from app.journeys.moves import Move
from app.lib import clock
from app.models import Journey, JourneyVersion
from bench import lists
from bench._common import product

FILL = """
    WITH entered AS (
        INSERT INTO journey_enrolment (journey_id, version_id, lead_id, entered_at)
        SELECT :journey, :version, id, app_now() - interval '2 days' FROM lead RETURNING id
    )
    INSERT INTO journey_step (enrolment_id, journey_id, number, step, due_at, next_at)
    SELECT id, :journey, 1, CASE WHEN id % 2 = 0 THEN 'pause' ELSE 'long' END, app_now() - interval '2 days',
           app_now() + interval '1 day' FROM entered
"""


def steps(hours: int) -> dict[str, Any]:
    """Return a journey with two waits, of which one is so long."""
    waits = [
        {"id": "pause", "do": "wait", "hours": hours, "then": "end"},
        {"id": "long", "do": "wait", "days": 9, "then": "end"},
    ]
    split = {"id": "split", "do": "split", "parts": {"pause": 50, "long": 50}}
    ends = [*waits, {"id": "end", "do": "end"}]
    return {"code": "J", "name": "J", "trigger": {"on": "hit"}, "steps": [split, *ends]}


def publish(journey: Journey, hours: int) -> JourneyVersion:
    """Put a version in force."""
    version = versions.add_version(journey, JourneyDef.model_validate(steps(hours)), "bench")
    canary.publish(version, "bench")
    return version


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Print the seconds that something took."""
    server = psutil.Process(db.session.scalar(text("SELECT pg_backend_pid()")) or 0)
    before, wall, own = server.cpu_times(), time.perf_counter(), time.process_time()
    yield
    after = server.cpu_times()
    cpu = time.process_time() - own + sum(after[:2]) - sum(before[:2])
    print(f"{what}: {time.perf_counter() - wall:.2f} s, {cpu:.2f} s of processors")


def main() -> None:
    """Print what each act takes, and what the worker does afterwards."""
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with product() as _ours:
        lists.fill(people)
        journey = Journey(code="J", name="J")
        db.session.add(journey)
        first = publish(journey, 72)
        db.session.commit()
        db.session.execute(text(FILL), {"journey": journey.id, "version": first.id})
        db.session.commit()
        db.session.execute(text("ANALYZE"))
        db.session.commit()
        print(f"{people:,} customers under way")
        with measured("count who stands where"):
            moves.standing(first)
        with measured("put a version in force, and decide on the move to it"):
            second = publish(journey, 48)
            moves.begin(second, [Move(first.id, moves.same_steps(first, second))], "bench")
            db.session.commit()
        with measured("carry the move out (a worker)"):
            moves.carry_out(clock.now())
        with measured("stop all journeys"):
            stops.stop_all("bench", "bench")
            db.session.commit()
        db.session.execute(text("UPDATE journey_step SET next_at = app_now() - interval '1 hour'"))
        db.session.commit()
        with measured("let the journeys go on"):
            stops.release_all("bench")
            db.session.commit()
        with measured("give everybody who is overdue a moment (a worker)"):
            stops.spread_overdue(clock.now() + dt.timedelta(seconds=1))


if __name__ == "__main__":
    main()
