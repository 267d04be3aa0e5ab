"""The list of customers and my work with a million hits, and what the customers' sums cost new hits.

``python bench/customers.py [HITS]`` (default 1,000,000 of 300,000 leads). The data set is that of
``bench/dashboard.py``. Times are of whole requests in the server.
"""

from __future__ import annotations

import datetime as dt
import statistics
import sys
import time

from flask import Flask
from sqlalchemy import func, select, text

from app.console.urls import list_url
from app.extensions import db
from app.lib import clock
from app.models import Rule, Staff
from app.screens.hits.customers import CustomerView
from app.screens.hits.views import HitView
from bench import dashboard, lists
from bench._common import product

OWNED = 2_000


def main() -> None:
    """Create missing data, then print medians and maxima of the lists, and the rates of new hits."""
    hits = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with product(dashboard.DATA) as (app, _settings):
        lists.fill(dashboard.LEADS)
        dashboard.fill(hits)
        _own()
        measure(app)
        rates()


def _own() -> None:
    """Make people the owners of some customers, due around today."""
    people = dict(db.session.execute(select(Staff.username, Staff.id)).tuples().all())
    for name, owner in people.items():
        if name.startswith("bench-"):
            branch = "" if name == "bench-manager" else "AND branch_id = 7"
            db.session.execute(
                text(
                    f"""UPDATE customer SET owner_id = :owner, next_on = CURRENT_DATE + (id % 10)::int - 5
                        WHERE id IN (
                            SELECT id FROM customer WHERE state = 'open' AND owner_id IS NULL {branch}
                            ORDER BY id LIMIT :most)"""
                ),
                {"owner": owner, "most": OWNED},
            )
    db.session.commit()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
        plain.execute(text("VACUUM ANALYZE customer, hit"))


def measure(app: Flask) -> None:
    """Print how long the lists take."""
    rule = db.session.scalar(select(func.min(Rule.id)))
    week = clock.today() - dt.timedelta(days=7)
    with app.test_request_context():
        pages = {
            "first page": list_url("CustomerView"),
            "second page": list_url("CustomerView") + "?page_CustomerView=1",
            "page 40": list_url("CustomerView") + "?page_CustomerView=39",
            "best grade first": list_url("CustomerView", order=("grade", "asc")),
            "unclaimed, best grade first": list_url("CustomerView", order=("grade", "asc"), work="unclaimed"),
            "mine, by date": list_url("CustomerView", order=("next_on", "asc"), work="mine"),
            "of a rule": list_url("CustomerView", rule=rule),
            "of a rule and grade, second page": list_url("CustomerView", rule=rule, grade="B")
            + "&page_CustomerView=1",
            "of a source, this week": list_url("CustomerView", source="官网预约", hit_date__from=week),
            "nobody may contact": list_url("CustomerView", state="blocked"),
            "all": list_url("CustomerView", state="all"),
            **{
                f"by {column} {way}": list_url("CustomerView", order=(column, way))
                for column in CustomerView.order_columns
                for way in ("asc", "desc")
            },
            **{
                f"hits by {column} {way}": list_url("HitView", order=(column, way))
                for column in HitView.order_columns
                for way in ("asc", "desc")
            },
            "named 王": list_url("CustomerView", name="王"),
            "my work": "/myworkview/list/",
            "my work, unclaimed": "/myworkview/list/?show=unclaimed",
        }
    for user in ("bench-manager", "bench-marketer"):
        for name, path in pages.items():
            times = lists.alone(lists.client(app, user), path)
            print(
                f"{user} {name:34} {statistics.median(times):6.0f} ms  max {max(times):6.0f} ms", flush=True
            )


def rates() -> None:
    """Print how many hits a second are stored with the customers' triggers and without; nothing is kept."""
    insert = text(
        """INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, evidence,
                            last_met_on, made_on)
           SELECT rule_id, version_id, lead_id, hit_date + 500, values, score, grade, evidence,
                  last_met_on, made_on
           FROM hit WHERE hit_date > (SELECT max(hit_date) FROM hit) - 18 LIMIT 100000"""
    )
    for word, state in (("with", "ENABLE"), ("without", "DISABLE")):
        db.session.execute(text(f"ALTER TABLE hit {state} TRIGGER hit_sums_customers_in"))
        started = time.perf_counter()
        count = db.session.execute(insert).rowcount  # type: ignore[attr-defined]
        seconds = time.perf_counter() - started
        print(f"{count:,} hits {word} the sums: {count / seconds:,.0f} hits/s", flush=True)
        db.session.rollback()


if __name__ == "__main__":
    main()
