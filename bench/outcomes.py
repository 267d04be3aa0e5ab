"""A file of a million outcomes beside a million hits, and ways to count conversions.

``python bench/outcomes.py [HITS] [OUTCOMES]`` (default 1,000,000 each; 300,000 leads). Measured are the
import, delivering the same file again, a correction of each hundredth outcome, and counts of the converted
hits of 30 and 180 days: from the column that triggers maintain, and from outcomes as they lie. The data set
is kept in ``bench/.data``.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import random
import statistics
import time
from pathlib import Path

from sqlalchemy import func, select, text

from app.extensions import db
from app.leads.importer import ImportOrder
from app.lib import clock
from app.models import Hit, Lead, Outcome, Product
from app.outcomes.importer import import_outcomes
from bench import dashboard, lists
from bench._common import kept, peak_mb, product
from config import Settings

DATA = kept("outcomes")
COLUMN = select(func.count()).select_from(Hit).where(Hit.live, Hit.converted)
AS_THEY_LIE = """
    SELECT count(*) FROM hit h JOIN rule_version v ON v.id = h.version_id
    WHERE h.live AND h.hit_date >= :first AND EXISTS (
        SELECT FROM outcome o JOIN product p ON p.id = o.product_id
        WHERE o.lead_id = h.lead_id AND o.on_date BETWEEN h.hit_date AND h.hit_date + 30
          AND (v.products = '{}' OR p.code = ANY (v.products)))
"""


def main() -> None:
    """Create missing data, then print times and rates."""
    parser = argparse.ArgumentParser()
    parser.add_argument("hits", type=int, nargs="?", default=1_000_000)
    parser.add_argument("outcomes", type=int, nargs="?", default=1_000_000)
    given = parser.parse_args()
    with product(DATA) as (_app, settings):
        lists.fill(dashboard.LEADS)
        dashboard.fill(given.hits)
        db.session.execute(text("TRUNCATE outcome CASCADE"))
        db.session.execute(text("UPDATE hit SET outcome_on = NULL WHERE outcome_on IS NOT NULL"))
        if db.session.scalar(select(func.count()).select_from(Product)) == 0:
            rows = [Product(code=f"P-{n}", name=f"产品{n}", line="loan", updated_by="x") for n in range(5)]
            db.session.add_all(rows)
        db.session.commit()
        path = write(settings, given.outcomes)
        deliver(settings, path, "first delivery")
        deliver(settings, path, "delivered again")
        deliver(settings, write(settings, given.outcomes, changed=100), "each hundredth corrected")
        count(clock.today())
        print(f"peak {peak_mb():,.0f} MB")


def write(settings: Settings, rows: int, changed: int = 0) -> Path:
    """Write a file of outcomes of random leads in 180 days; each ``changed``-th has another amount."""
    chance, newest = random.Random(1), clock.today() - dt.timedelta(days=1)
    numbers = list(db.session.scalars(select(Lead.lead_no).order_by(Lead.id)))
    path = settings.data_dir / "outcomes.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        file = csv.writer(stream)
        file.writerow(["outcome_id", "lead_no", "product", "date", "amount"])
        for number in range(rows):
            lead, kind, back = chance.choice(numbers), chance.randrange(5), chance.randrange(180)
            amount = 1 if changed and number % changed == 0 else number % 5000 + 2
            file.writerow([f"O{number}", lead, f"P-{kind}", newest - dt.timedelta(days=back), amount])
    return path


def deliver(settings: Settings, path: Path, name: str) -> None:
    """Import the file and print the rate."""
    order = ImportOrder(path, path.name, "bench", settings)
    started = time.perf_counter()
    result = import_outcomes(db.engine, order, clock.today())
    took = time.perf_counter() - started
    counts = f"{result.created:,} created, {result.updated:,} corrected, {result.existing:,} existing"
    print(f"{name:26} {took:6.1f} s {result.read / took:9,.0f} rows/s   {counts}", flush=True)


def count(today: dt.date) -> None:
    """Print the times of both ways to count, which must agree."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
        plain.execute(text("VACUUM ANALYZE hit, outcome"))
    print(f"{db.session.scalar(select(func.count()).select_from(Outcome)):,} outcomes")
    for days in (30, 180):
        first = today - dt.timedelta(days=days)
        ways = {
            "column": lambda first=first: db.session.scalar(COLUMN.where(Hit.hit_date >= first)),
            "as they lie": lambda first=first: db.session.scalar(text(AS_THEY_LIE), {"first": first}),
        }
        found = {name: [timed(way) for _ in range(3)] for name, way in ways.items()}
        if len({n for times in found.values() for n, _took in times}) != 1:
            raise SystemExit(f"the counts differ: {found}")
        for name, times in found.items():
            middle = statistics.median(took for _n, took in times) * 1000
            print(f"{days:4} days, {name:12} {middle:8,.0f} ms   {times[0][0]:,} converted", flush=True)


def timed(work: object) -> tuple[int, float]:
    """Return what ``work`` returns, and how long it took."""
    started = time.perf_counter()
    result = work()  # type: ignore[operator]
    return result, time.perf_counter() - started


if __name__ == "__main__":
    main()
