"""Coverage in the rule editor, compared with one query per date, on a made-up lead layer.

``python bench/coverage.py [LEADS] [ROWS_A_DAY] [DAYS]`` (default 500,000 leads, 250,000 rows a day, 14 days;
the size of a large bank is 5,000,000 and 2,500,000). Both read the same Parquet files on the same engine; the
naive side asks DuckDB once per date and counts in SQL. Compare the ratio, not the seconds.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from pathlib import Path

import duckdb
from _common import peak_mb, timed

from app.activity import coverage, store
from app.activity.spec import Condition, RuleSpec

LAST, WINDOW = dt.date(2026, 10, 31), 7
#: rule and the SQL of its value
RULES = {
    "calls >= 3": (RuleSpec("all", (Condition("calls", ">=", 3, WINDOW),)), "sum(n)"),
    "institutions >= 3": (
        RuleSpec("all", (Condition("institutions", ">=", 3, WINDOW),)),
        "count(DISTINCT institution)",
    ),
    "active days >= 3": (
        RuleSpec("all", (Condition("active_days", ">=", 3, WINDOW),)),
        "count(DISTINCT day)",
    ),
}
ROWS = """
    SELECT lead, 'I-' || lpad(place::VARCHAR, 4, '0') AS institution, type::UTINYINT AS type,
        $day::DATE AS day, hour::UTINYINT AS hour, ok,
        n::BIGINT AS n, 0::USMALLINT AS first_s, 60::USMALLINT AS last_s
    FROM (
        SELECT floor(pow(random(), 2) * $leads)::BIGINT + 1 AS lead,
            floor(pow(random(), 3) * 400)::INT AS place, 1 + floor(random() * 3) AS type,
            floor(random() * 24) AS hour, random() < 0.9 AS ok,
            1 + floor(pow(random(), 6) * 4) AS n
        FROM range($rows)
    )
    ORDER BY lead, institution, type, hour
"""


def make(root: Path, leads: int, rows: int, days: int) -> store.Snapshot:
    """Create a lead layer of many dates, busy leads first."""
    built: dict[dt.date, store.Day] = {}
    with store.writing(root) as writer, duckdb.connect() as connection:
        for back in range(days + WINDOW - 1):
            day = LAST - dt.timedelta(days=back)
            name = writer.new_file("leads", day)
            made = connection.sql(ROWS, params={"day": day, "leads": leads, "rows": rows})
            made.write_parquet(str(root / name), compression="zstd")
            built[day] = store.Day(name, name, rows, leads=name, leads_fingerprint="b", leads_source=name)
        return writer.commit(built, timezone="Asia/Shanghai")


def naive(state: store.Snapshot, value: str, dates: list[dt.date]) -> dict[dt.date, int]:
    """Count with one query per date."""
    files = [str(state.root / day.leads) for day in state.days.values() if day.leads]
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        connection.read_parquet(files).create_view("activity")
        asked = (
            f"SELECT count(*) FROM (SELECT lead FROM activity WHERE day BETWEEN $first AND $last "
            f"GROUP BY lead HAVING {value} >= 3)"
        )
        return {
            day: connection.execute(
                asked, {"first": day - dt.timedelta(days=WINDOW - 1), "last": day}
            ).fetchall()[0][0]
            for day in dates
        }


def main(leads: int = 500_000, rows: int = 250_000, days: int = 14) -> None:
    """Measure and print."""
    dates = [LAST - dt.timedelta(days=back) for back in range(days)]
    with tempfile.TemporaryDirectory() as folder:
        state = make(Path(folder), leads, rows, days)
        list(coverage.count(state, RULES["calls >= 3"][0], dates[:1]))  # imports are nobody's merit
        for name, (spec, value) in RULES.items():
            took: dict[str, float] = {}
            with timed(took, "ours"):
                *_parts, found = coverage.count(state, spec, dates)
            with timed(took, "naive"):
                expected = naive(state, value, dates)
            assert found.counts == expected, name
            print(
                f"{name:20} {days} dates, {leads:,} leads, {rows:,} rows a day: {took['ours']:.2f} s, "
                f"one query a date {took['naive']:.2f} s, ratio {took['naive'] / took['ours']:.1f}, "
                f"peak {peak_mb():,.0f} MB"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
