"""Measure the store of facts: import, a filter on three facts, one lead's facts, and the layouts compared.

    nice -n 15 .venv/bin/python bench/facts.py [LEADS] [FACTS] [DELIVERIES]

The defaults, 200,000 leads with 10 facts delivered 12 times, take a minute; the product is to hold 5,000,000
leads with 50 facts.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from app.activity import store as activity
from app.activity.settings import EngineSettings
from app.facts import compaction, store
from app.facts.store import Column, Delivery

FIRST = dt.date(2025, 12, 31)
SETTINGS = EngineSettings(memory_limit="2GB")


def main(leads: int = 200_000, facts: int = 10, deliveries: int = 12) -> None:
    """Build the store in a scratch folder and print a line per measurement."""
    columns = [Column(number, "money", 1100) for number in range(facts)]
    last = FIRST + dt.timedelta(days=30 * deliveries)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "activity"
        for number in range(deliveries):
            rows = _rows(Path(folder), leads, facts, FIRST + dt.timedelta(days=30 * number))
            delivery = Delivery(number + 1, last, backfill=True)
            work = partial(store.append, root, rows, columns, delivery, settings=SETTINGS)
            spent = timed("append", work)
            print(f"  {leads / spent:,.0f} rows a second")
        _ask("separate files", root, columns, last, leads)
        timed("compact", lambda: compaction.compact(root, columns, last, settings=SETTINGS))
        _ask("one file", root, columns, last, leads)
        _compare(root, columns, last)
        timed("undo of the last batch", lambda: store.undo(root, deliveries, settings=SETTINGS))


def _rows(folder: Path, leads: int, facts: int, as_of: dt.date) -> Path:
    """Write a delivery in the order of nothing in particular."""
    values = ", ".join(f"round(random() * 1e6, 2) AS f{number}" for number in range(facts))
    path = folder / "rows.parquet"
    made = f"SELECT r::BIGINT AS lead, DATE '{as_of}' AS as_of, {values} FROM range({leads}) t (r)"
    duckdb.sql(f"{made} ORDER BY hash(r)").write_parquet(str(path))
    return path


def _ask(what: str, root: Path, columns: list[Column], last: dt.date, leads: int) -> None:
    state = activity.snapshot(root)
    size = sum((root / file.name).stat().st_size for file in state.facts)
    print(f"{what}: {size / 1e6:,.0f} MB")
    for _again in range(2):
        timed("  three facts", lambda: store.values(state, columns[:3], last, settings=SETTINGS))
        timed("  one lead", lambda: store.values(state, columns, last, lead=leads // 2, settings=SETTINGS))


def _compare(root: Path, columns: list[Column], last: dt.date) -> None:
    """Count the leads that pass a test on three facts in a row per lead and date, and in a row per value."""
    [file] = activity.snapshot(root).facts
    wide, long = str(root / file.name), str(root / "long.parquet")
    connection = duckdb.connect(config={"memory_limit": "2GB", "threads": 2})
    values = " UNION ALL ".join(
        f"SELECT {each.fact}::USMALLINT AS fact, lead, as_of, known_on, delivery, {each.name} AS value"
        f" FROM '{wide}'"
        for each in columns
    )
    connection.sql(f"{values} ORDER BY fact, lead, as_of").write_parquet(long, compression="zstd")
    known = f"as_of <= DATE '{last}' AND known_on <= DATE '{last}'"
    order = "((as_of - DATE '1970-01-01')::BIGINT << 32) + delivery"
    latest = ", ".join(f"arg_max(f{n}, {order}) AS v{n}" for n in range(3))
    of_rows = f"SELECT lead, {latest} FROM '{wide}' WHERE {known} GROUP BY lead"
    of_values = " JOIN ".join(
        f"(SELECT lead, arg_max(value, {order}) AS v{n} FROM '{long}' WHERE fact = {n} AND {known}"
        f" GROUP BY lead) AS t{n} {'USING (lead)' if n else ''}"
        for n in range(3)
    )
    test = "v0 > 500000 AND v1 > 200000 AND v2 < 800000"
    for name, source in (("a row per date", f"({of_rows})"), ("a row per value", of_values)):
        query = f"SELECT count(*) FROM {source} WHERE {test}"
        for _again in range(2):
            timed(f"  {name}", lambda query=query: connection.sql(query).fetchall())


def timed(what: str, work: Callable[[], Any]) -> float:
    """Run some work, print the time it took, and return the seconds."""
    begun = time.perf_counter()
    work()
    spent = time.perf_counter() - begun
    print(f"{what}: {spent:.2f} s", flush=True)
    return spent


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
