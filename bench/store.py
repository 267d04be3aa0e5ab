"""The activity store in object storage on loopback, compared with a folder.

``python bench/store.py [EVENTS] [--days D] [--files F]``

The default is 1,000,000 events of seven days in seven files. Ten rules are evaluated as of seven dates: cold
on a machine that has no file of the store yet, then warm. Server and product share the cores of this machine,
so that the server's work is in the seconds; CPU seconds are those of the product alone. Each page and each
command reads the manifest.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from app.activity import cube, engines, query, store
from app.activity.ingest import ingest
from app.activity.objects import ObjectStore
from app.activity.places import Root
from app.activity.spec import Condition, RuleSpec
from bench._common import kept, peak_mb
from bench.ingest import NOW, ZONE, made
from tests.object_storage import new_store, other_machine, serving

FIRST = date(2026, 10, 1)
WINDOW = 7
RULES = [
    RuleSpec("all", (Condition(metric, ">=", least, width),))
    for metric in ("calls", "institutions")
    for least, width in ((3, 1), (4, 3), (5, 5), (6, 7), (7, 7))
]
READS = 50
Figures = dict[str, Any]


def main() -> None:
    """Print seconds and ratios of a folder and of object storage."""
    parser = argparse.ArgumentParser()
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--files", type=int, default=7)
    options = parser.parse_args()
    files = made("parquet", options.events, options.days, options.files)
    base = kept("store")
    shutil.rmtree(base, ignore_errors=True)
    with serving(base / "s3"):
        remote = new_store(base / "writer")
        reader = other_machine(remote, base / "reader")
        places: dict[str, tuple[Root, Root]] = {
            "folder": (base / "folder", base / "folder"),
            "object storage": (remote, reader),
        }
        found: dict[str, dict[str, tuple[float, Figures]]] = {}
        for name, (writer, other) in places.items():
            steps: dict[str, tuple[Callable[..., Figures], Sequence[Any]]] = {
                "ingest": (ingested, (writer, files)),
                "lead layer": (derived, (writer, max(options.events // 3, 1))),
                "evaluation, cold": (evaluated, (other, options.days)),
                "evaluation, warm": (evaluated, (other, options.days)),
                "manifest": (read, (other,)),
            }
            found[name] = {step: measured(name, step, *work) for step, work in steps.items()}
        size = sum(store.snapshot(remote).sizes.values())
    for step, (took, figures) in found["folder"].items():
        theirs, same = found["object storage"][step]
        assert same == figures, (step, same, figures)
        if step == "manifest":
            print(f"manifest, once: {theirs / READS * 1000:.1f} ms, a folder {took / READS * 1000:.2f} ms")
            continue
        print(
            f"{step}: object storage takes {theirs / took:.2f} times as long as a folder, with equal results"
        )
    print(f"{size / 1e6:,.0f} MB in the store; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    shutil.rmtree(base)


def measured(
    place: str, step: str, work: Callable[..., Figures], given: Sequence[Any]
) -> tuple[float, Figures]:
    """Do the work in a process of its own. Print its figures, return the seconds and what it found."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        seconds, cpu, memory, figures = process.submit(watched, work, given).result()
    print(f"{place:15}{step:17}{seconds:8.3f} s, {cpu:7.3f} CPU-seconds, peak {memory:,.0f} MB", flush=True)
    return seconds, figures


def watched(work: Callable[..., Figures], given: Sequence[Any]) -> tuple[float, float, float, Figures]:
    """Return seconds and CPU seconds of the work once the process is warm, its peak memory and its result."""
    for root in given:
        if isinstance(root, ObjectStore):
            store.snapshot(root)
    started, cpu = time.perf_counter(), time.process_time()
    figures = work(*given)
    return time.perf_counter() - started, time.process_time() - cpu, peak_mb(), figures


def ingested(root: Root, files: Sequence[Path]) -> Figures:
    """Ingest the files."""
    figures = ingest(root, files, timezone=ZONE, now=NOW).as_json()
    return {name: figures[name] for name in ("rows", "accepted", "duplicates", "rejected", "days")}


def derived(root: Root, people: int) -> Figures:
    """Write the lead layer of everybody."""
    rows = duckdb.sql(
        "SELECT range AS lead, sha256(CAST(range AS VARCHAR)) AS person FROM range($n)", params={"n": people}
    )
    leads: pa.Table = rows.to_arrow_table()
    state = cube.ensure_leads(root, store.snapshot(root).days, "everybody", lambda: leads)
    return {"days": len(state.days)}


def evaluated(root: Root, days: int) -> Figures:
    """Find who meets the rules as of each date, and count them."""
    dates = [FIRST + timedelta(n) for n in range(days)]
    state, counts = store.snapshot(root), [0] * len(RULES)
    with (
        engines.opened(root) as engine,
        query.lead_activity(state, WINDOW, dates[0], dates[-1], engaged=engine),
    ):
        finder = engine.finder(RULES, dates)
        for first, end in finder.slices():
            for rule, met in enumerate(finder.find(first, end)):
                counts[rule] += int(met.met.sum())
    return {"met": counts}


def read(root: Root) -> Figures:
    """Read the manifest."""
    for _ in range(READS):
        state = store.snapshot(root)
    return {"days": len(state.days)}


if __name__ == "__main__":
    main()
