"""The first push of a schedule with a million hits, compared with a loop over the hits.

``python bench/first_push.py [HITS]`` (default 1,000,000). Measures making the push (which hits go, the
rows of the outbox), how long people who work at the same moment wait for it, and sending its parts to a
receiver on loopback. The loop takes hits one by one through the ORM, on a hundredth of them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import multiprocessing
import sys
import threading
import time

from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from app.extensions import db
from app.models import Delivery, Hit, Lead, Push, PushHit, Rule
from app.push import deliver
from app.push.tick import tick
from bench._common import peak_mb, product, timed
from bench.delivery import HITS, NOW, receive, set_up

ONE_IN = 100
#: what users do in the meantime; each statement is rolled back
MEANWHILE = {
    "pause the schedule": "UPDATE schedule SET status = 'paused'",
    "a test push": "INSERT INTO push (schedule_id, slot, at, outcome, is_test) "
    "SELECT id, now(), now(), 'send', true FROM schedule",
    "work on a hit": "UPDATE hit SET status = 'in_progress' WHERE id = (SELECT min(id) FROM hit)",
    "the list of pushes": "SELECT id, at, hits FROM push ORDER BY at DESC LIMIT 25",
}


def main() -> None:
    """Print seconds, memory and waits of each step, and the ratios."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=(theirs,), daemon=True)
    receiver.start()
    place = f"http://127.0.0.1:{ours.recv()}"
    with product() as (app, settings):
        app.config["SETTINGS"] = dataclasses.replace(settings, webhook_allow=(place,))
        set_up(place, app.config["SETTINGS"])
        for statement in HITS:
            db.session.execute(text(statement), {"n": count} if ":n" in statement else {})
        db.session.commit()
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
        slow = loop(count // ONE_IN) * ONE_IN
        fast = first_push(count)
        print(f"ratio, making the push: {slow / fast:.1f}")
        parts(count)
    receiver.terminate()


def loop(count: int) -> float:
    """Return the seconds to add hits one by one, then roll back."""
    results: dict[str, float] = {}
    with timed(results, "loop"), Session(db.engine) as session:
        push = Push(schedule_id=1, version_id=1, slot=NOW, at=NOW, outcome="send")
        session.add(push)
        session.flush()
        rule = select(Rule.id).where(Rule.code == "R-1").scalar_subquery()
        for hit in session.scalars(select(Hit).where(Hit.rule_id == rule).limit(count)):
            lead = session.get_one(Lead, hit.lead_id)
            known = session.get(PushHit, (1, hit.id))
            if lead.deleted_at is None and not hit.holdout and known is None:
                session.add(PushHit(schedule_id=1, hit_id=hit.id, push_id=push.id))
        session.flush()
        session.rollback()
    say("one by one", count, results["loop"])
    return results["loop"]


def first_push(count: int) -> float:
    """Return the seconds to create the push and its deliveries while users work."""
    waits = dict.fromkeys(MEANWHILE, 0.0)
    done = threading.Event()
    people = [threading.Thread(target=work, args=(db.engine, name, waits, done)) for name in MEANWHILE]
    results: dict[str, float] = {}
    for thread in people:
        thread.start()
    with timed(results, "tick"):
        [made] = tick(NOW)
    done.set()
    for thread in people:
        thread.join()
    push = db.session.get_one(Push, made)
    deliveries = db.session.scalar(select(func.count()).select_from(Delivery))
    assert push.hits == count, push.hits
    say("first push", count, results["tick"])
    print(f"  {deliveries:,} parts; longest waits meanwhile:")
    for name, wait in waits.items():
        print(f"  {name:20} {wait:8.2f} s", flush=True)
    return results["tick"]


def work(engine: Engine, name: str, waits: dict[str, float], done: threading.Event) -> None:
    """Repeat a statement and store its longest time."""
    while not done.wait(0.05):
        begun = time.perf_counter()
        with engine.connect() as connection:
            connection.execute(text(MEANWHILE[name]))
            connection.rollback()
        waits[name] = max(waits[name], time.perf_counter() - begun)


def parts(count: int) -> None:
    """Send all parts."""
    results: dict[str, float] = {}
    number = int(db.session.scalar(select(func.count()).select_from(Delivery)) or 0)
    db.session.rollback()
    with timed(results, "sent"):
        sent = deliver.work(lambda: NOW + dt.timedelta(seconds=1), seconds=36_000, wait=False)
    assert sent == number, (sent, number)
    say(f"{number:,} parts", count, results["sent"])


def say(name: str, count: int, seconds: float) -> None:
    """Print a row of the table."""
    print(
        f"{name:15} {count:>10,} hits {seconds:8.1f} s {count / seconds:9,.0f}/s {peak_mb():6.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
