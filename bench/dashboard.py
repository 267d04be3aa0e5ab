"""The workspace with a million hits, compared with counting the same numbers live.

``python bench/dashboard.py [HITS]`` (default 1,000,000; 12 rules, 200 branches, 5 sources, 180 days). The
data set is made once by COPY and kept in ``bench/.data``. Times are of whole requests in the server.
"""

from __future__ import annotations

import datetime as dt
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextvars import Context

from flask import Flask
from sqlalchemy import func, select, text

from app.extensions import db
from app.hits import counts
from app.hits.counts import KEYS, HitFilter
from app.lib import clock
from app.models import Hit, Lead, Rule, RuleVersion, Staff
from app.rules.definition import DEFAULT_GRADE_BANDS, DEFAULT_WEIGHTS
from bench import lists
from bench._common import kept, product

DATA = kept("dashboard")
RULES, DAYS, LEADS = 12, 180, 300_000
STATUSES = ("waiting",) * 5 + ("in_progress",) * 2 + ("failed",) * 2 + ("converted",)
COLUMNS = (
    "rule_id, version_id, lead_id, hit_date, made_on, values, score, grade, status, evidence, last_met_on"
)
EVIDENCE = '{"conditions": [], "institutions": ["I-1", "I-2"], "calls": 5, "terms": [], "weights": {}}'


def main() -> None:
    """Create missing data, then print medians, maxima and the ratio to live counts."""
    hits = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with product(DATA) as (app, _settings):
        lists.fill(LEADS)
        fill(hits)
        today = clock.today()
        rule = db.session.scalar(select(func.min(Rule.id)))
        month = f"?first={today - dt.timedelta(days=30)}&last={today}"
        for name, user, path in (
            ("manager", "bench-manager", ""),
            ("manager, 30 days", "bench-manager", month),
            ("manager, one rule and source", "bench-manager", f"?rule={rule}&source=官网预约"),
            ("marketer", "bench-marketer", ""),
        ):
            times = lists.alone(lists.client(app, user), f"/workspaceview/list/{path}")
            print(f"{name:32} {statistics.median(times):6.0f} ms  max {max(times):6.0f} ms", flush=True)
        compare(app)


def compare(app: Flask) -> None:
    """Compare the stored counts of the page's main query with live counts."""

    def measure() -> None:
        with app.app_context():
            boss = db.session.scalars(select(Staff).where(Staff.username == "bench-manager")).one()
            results = {}
            for name, ask in (("kept", counts.count), ("live", counts.live)):
                started = time.perf_counter()
                answer = ask(HitFilter(boss), KEYS)
                results[name] = (time.perf_counter() - started, answer)
            if results["kept"][1] != results["live"][1]:
                raise SystemExit("the counts differ")
            kept, live = results["kept"][0] * 1000, results["live"][0] * 1000
            print(
                f"kept {kept:.0f} ms, live GROUP BY {live:.0f} ms: {live / kept:.1f}× ({len(answer):,} kinds)"
            )

    Context().run(measure)


def fill(hits: int) -> None:
    """Create rules and hits, if missing."""
    if db.session.scalar(select(func.count()).select_from(Rule)) == 0:
        for n in range(1, RULES + 1):
            rule = Rule(code=f"R-{n}", name=f"指标{n}", status="active")
            rule.versions.append(
                RuleVersion(
                    number=1,
                    name=f"指标{n}",
                    status="active",
                    weights=DEFAULT_WEIGHTS,
                    grade_bands=DEFAULT_GRADE_BANDS,
                    created_by="bench",
                )
            )
            db.session.add(rule)
        db.session.commit()
    have = db.session.scalar(select(func.count()).select_from(Hit)) or 0
    if have >= hits:
        return
    print(f"making {hits - have:,} hits …", flush=True)
    started = time.perf_counter()
    connection = db.engine.raw_connection()
    with connection.cursor() as cursor, cursor.copy(f"COPY hit ({COLUMNS}) FROM STDIN") as copy:
        for row in rows(have, hits):
            copy.write_row(row)
    connection.commit()
    connection.close()
    print(f"COPY with counting: {(hits - have) / (time.perf_counter() - started):,.0f} hits/s")
    started = time.perf_counter()
    folded = counts.fold()
    print(f"folded {folded:,} entries in {time.perf_counter() - started:.1f} s")
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
        plain.execute(text("VACUUM ANALYZE hit, hit_count, hit_total, hit_delta"))


def rows(first: int, last: int) -> Iterator[tuple[object, ...]]:
    """Yield hits for COPY, each with another rule, date and lead."""
    chance = random.Random(first + 1)
    lowest = db.session.scalar(select(func.min(Lead.id))) or 1
    versions = [tuple(row) for row in db.session.execute(select(RuleVersion.rule_id, RuleVersion.id))]
    newest = clock.today() - dt.timedelta(days=1)
    for number in range(first, last):
        rule, version = versions[number % RULES]
        day = newest - dt.timedelta(days=number // RULES % DAYS)
        lead = lowest + number // (RULES * DAYS) * 641 % LEADS + number % 640
        score = round(chance.random() * 12, 3)
        grade = "ABCD"[(score < 9) + (score < 6) + (score < 3)]
        made = day + dt.timedelta(days=1)
        yield rule, version, lead, day, made, "{5}", score, grade, chance.choice(STATUSES), EVIDENCE, day


if __name__ == "__main__":
    main()
