"""Effect figures of a million hits: the page, beside one query for each part in the same run.

``python bench/effect.py [HITS]`` (default 1,000,000 with as many contacts, twice as many outcomes, 700,000
pushed and 400,000 manual steps; 180 days). The data set is made once by COPY and kept in ``bench/.data``.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any

from flask import Flask
from sqlalchemy import func, select, text

from app.effect import comparison, funnel, reach
from app.effect.funnel import EffectFilters, Figures
from app.effect.reach import CHANNELS, Stage
from app.extensions import db
from app.hits import counts
from app.hits.counts import HitFilter
from app.lib import clock
from app.models import Hit, OutreachBatch, OutreachTemplate, OutreachTemplateVersion, Staff
from bench import dashboard, lists
from bench._common import kept, product

DATA = kept("effect")
LEADS, PER_PUSH, PER_MESSAGE, REQUESTS = 300_000, 10_000, 500, 5
OUTCOMES = ("delivered",) * 4 + ("no_answer", "answered", "interested", "refused", "failed", "opt_out")
TABLES = ("hit", "hit_event", "outreach", "outreach_event", "push_hit", "push", "delivery")
SCHEDULE = """
    INSERT INTO schedule (code, name) VALUES ('S-1', '一');
    INSERT INTO schedule_version (schedule_id, number, spec, created_by)
    SELECT id, 1, '{}', 'x' FROM schedule;
    INSERT INTO target (code, kind, name, created_by) VALUES ('crm', 'webhook', 'crm', 'x')
"""
PUSHES = """
    INSERT INTO push (schedule_id, version_id, slot, at, outcome, status)
    SELECT s.id, v.id, now() - n * interval '1 hour', now() - n * interval '1 hour', 'send', 'done'
    FROM schedule s, schedule_version v, generate_series(0, :pushes) n;
    INSERT INTO push_hit (schedule_id, hit_id, push_id)
    SELECT s.id, h.id, (SELECT min(id) FROM push) + h.id / :size FROM schedule s, hit h WHERE h.id % 10 < 7;
    INSERT INTO delivery (uid, idempotency_key, push_id, target_id, first_hit, last_hit, hits, status)
    SELECT 'm' || push_id || '-' || min(hit_id), push_id || '-' || min(hit_id), push_id, t.id,
           min(hit_id), max(hit_id), count(*), CASE WHEN random() < 0.95 THEN 'sent' ELSE 'dead' END
    FROM push_hit, target t GROUP BY push_id, t.id, hit_id / :part
"""


def main() -> None:
    """Create missing data, then print medians, and the ratio to a query for each part."""
    hits = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with product(DATA) as (app, _settings):
        lists.fill(LEADS)
        dashboard.fill(hits)
        fill()
        today = clock.today()
        for days in (30, 90, 180):
            query = f"first={today - dt.timedelta(days=days)}&last={today}"
            measure_page(app, f"{days} days", query)
        Context().run(compare, app)


def measure_page(app: Flask, name: str, query: str) -> None:
    """Print the times of the page's frame and of the first and last line of its figures."""
    for user in ("bench-manager", "bench-marketer"):
        client = lists.client(app, user)
        frames = lists.alone(client, f"/effectview/list/?{query}")
        whole = []
        for _ in range(REQUESTS):
            started = time.perf_counter()
            lines = Context().run(figures, client, query)
            whole.append((time.perf_counter() - started) * 1000)
            assert "html" in json.loads(lines[-1])
        print(
            f"{name:10} {user:16} frame {statistics.median(frames):5.0f} ms"
            f"   figures {statistics.median(whole):6.0f} ms   max {max(whole):6.0f} ms"
            f"   {len(lines) - 1} steps",
            flush=True,
        )


def figures(client: Any, query: str) -> list[str]:
    """Return the lines sent to the page."""
    return list(client.get(f"/effectview/figures?{query}").text.splitlines())


def compare(app: Flask) -> None:
    """Compare one statement for the figures of thirty days with a query for each stage of each part."""
    with app.app_context():
        boss = db.session.scalars(select(Staff).where(Staff.username == "bench-manager")).one()
        today = clock.today()
        filters = EffectFilters(HitFilter(boss, first=today - dt.timedelta(days=30), last=today))
        found, once = _timed(lambda: funnel.count_funnel(filters))
        apart, each = _timed(lambda: naive(filters))
        _compared, holdout = _timed(lambda: comparison.compare(filters))
        for dimension, parts in apart.items():
            if parts != {key: _stages(figures) for key, figures in found.by[dimension].items()}:
                raise SystemExit(f"the figures by {dimension} differ")
        print(f"one statement {once * 1000:.0f} ms, a query a part {each * 1000:.0f} ms: {each / once:.1f}×")
        print(f"comparison {holdout * 1000:.0f} ms")


def naive(filters: EffectFilters) -> dict[str, dict[str, list[int]]]:
    """Counts by grade and channel as the list's filters would count them, one after the other."""
    keys = {
        "grade": [(grade, Hit.grade == grade) for grade in "ABCD"],
        "channel": [(name, reach.first_contact(channel=name)) for name in (*CHANNELS, "none")],
    }
    return {
        name: {
            key: [
                db.session.scalar(
                    select(func.count())
                    .select_from(Hit)
                    .where(*filters.criterion(), criterion, reach.reached(stage))
                )
                or 0
                for stage in Stage
            ]
            for key, criterion in parts
        }
        for name, parts in keys.items()
    }


def _stages(figures: Figures) -> list[int]:
    return [figures.reached(stage) for stage in Stage]


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def fill() -> None:
    """Create pushes, contacts, outcomes and steps, if missing."""
    if db.session.scalar(text("SELECT 1 FROM outreach LIMIT 1")):
        return
    started = time.perf_counter()
    versions = templates()
    batch = OutreachBatch(channel="sms", version_id=versions[0], selection={}, created_by="x", status="done")
    db.session.add(batch)
    db.session.flush()
    db.session.execute(text("UPDATE hit SET holdout = id % 10 = 0 WHERE id % 10 = 0"))
    for statement in SCHEDULE.split(";"):
        db.session.execute(text(statement))
    hits = list(db.session.execute(select(Hit.id, Hit.lead_id, Hit.hit_date, Hit.status).order_by(Hit.id)))
    values = {"pushes": hits[-1][0] // PER_PUSH + 1, "size": PER_PUSH, "part": PER_MESSAGE}
    for statement in PUSHES.split(";"):
        names = [name for name in values if f":{name}" in statement]
        db.session.execute(text(statement), {name: values[name] for name in names})
    db.session.execute(text("UPDATE hit SET converted_at = hit_date + 3 WHERE status = 'converted'"))
    db.session.commit()
    copy("outreach", CONTACT, contacts(hits, versions, batch.id))
    copy("outreach_event", "outreach_id, outcome, at, source", outcomes())
    copy("hit_event", "hit_id, kind, from_status, to_status, person, at", steps(hits))
    counts.fold()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
        plain.execute(text(f"VACUUM ANALYZE {', '.join(TABLES)}"))
    print(f"made in {time.perf_counter() - started:.0f} s", flush=True)


CONTACT = (
    "batch_id, hit_id, lead_id, version_id, channel, id_hash, phone_index, status, at, reserved_at, sent_at,"
    " cost"
)


def templates() -> list[int]:
    """Create two SMS templates and two call scripts. Return their version ids."""
    versions = []
    for channel in ("sms", "call"):
        made = [OutreachTemplateVersion(number=n, body="您好", created_by="x") for n in (1, 2)]
        db.session.add(OutreachTemplate(channel=channel, name=channel, created_by="x", versions=made))
        versions += made
    db.session.flush()
    return [each.id for each in versions]


def copy(table: str, columns: str, rows: Iterator[tuple[object, ...]]) -> None:
    """Write rows by COPY."""
    connection = db.engine.raw_connection()
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as stream:
        for row in rows:
            stream.write_row(row)
    connection.commit()
    connection.close()


def contacts(hits: list[Any], versions: list[int], batch: int) -> Iterator[tuple[object, ...]]:
    """Yield a contact for every hit."""
    chance = random.Random(1)
    for hit, lead, day, _status in hits:
        place = chance.randrange(4)
        at = dt.datetime.combine(day, dt.time(chance.randint(9, 19), chance.randint(0, 59)), dt.UTC)
        channel = "sms" if place < 2 else "call"
        gone = chance.random() < 0.8
        yield (
            *(batch, hit, lead, versions[place], channel, f"{lead:064x}", f"{lead:064x}"),
            *(chance.choice(OUTCOMES) if gone else "held", at, at if gone else None, at if gone else None),
            (0.05 if channel == "sms" else 0.6) if gone else None,
        )


def outcomes() -> Iterator[tuple[object, ...]]:
    """Yield two outcomes for each contact."""
    for key, at in db.session.execute(text("SELECT id, at FROM outreach")):
        yield key, "delivered", at, "bench"
        yield key, "answered", at + dt.timedelta(hours=1), "bench"


def steps(hits: list[Any]) -> Iterator[tuple[object, ...]]:
    """Yield marketers' steps on two hits of five."""
    for hit, _lead, day, _status in hits:
        if hit % 5 < 2:
            at = dt.datetime.combine(day, dt.time(3), dt.UTC) + dt.timedelta(days=1)
            yield hit, "start", "waiting", "in_progress", "bench-marketer", at


if __name__ == "__main__":
    main()
