"""The daily run of one date: ingest of its log files, the lead layer, and the hits of 20 rules.

``python bench/t1.py [LEADS] [EVENTS]`` (default 500,000 leads and 2,000,000 events a day; a large bank has
5,000,000 and 20,000,000). Leads, rules and the lead layer of earlier dates are those of bench/evaluate.py;
a tenth of the events is of people on the list. Earlier dates have no events of their own, so that the search
for request ids that came before, which grows with the dates that are kept, is not measured. The date runs
twice: as the first ever, when no customer has a hit, and after an evaluation of the 7 dates before it.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from sqlalchemy import text

from app.activity import store
from app.activity.cube import ACTIVITY, EVENTS
from app.extensions import db
from app.leads.cube import activity_root, fingerprint, prepare
from app.rules.evaluate import evaluate_days
from app.t1.deliveries import ingest_logs
from bench._common import kept, peak_mb, product
from bench.evaluate import INSTITUTIONS, LAST, ON_THE_LIST, WIDTH, fill
from config import Settings

BEFORE, FILES = 7, 4
EMPTY = {"events": "no-events.parquet", "activity": "no-activity.parquet"}
LOG = """
    SELECT printf('%d-%018d', $run, n) AS request_id,
        strftime($day::DATE + to_seconds(h % 86400), '%Y-%m-%d %H:%M:%S') AS event_time,
        ['face_verify', 'id_ocr', 'data_call'][1 + (h // 131) % 3] AS event_type,
        'I-' || lpad(floor(pow((h // 1000 % 10000) / 10000, 3) * $institutions)::INT::VARCHAR, 4, '0')
            AS institution_code,
        CASE WHEN n % $share = 0 THEN printf('%032x', place * 7919 % $leads + 1) || repeat('0', 32)
            ELSE sha256(CAST(place AS VARCHAR)) END AS id_hash,
        CASE WHEN h % 10 = 0 THEN 'fail' ELSE 'success' END AS result
    FROM (
        SELECT range AS n, CAST(hash(range) // 4 AS BIGINT) AS h,
            CASE WHEN n % $share = 0 THEN $leads ELSE $people END AS people,
            floor(pow(h // 777 % 1000000 / 1e6, 1.5) * people)::BIGINT AS place
        FROM range($first, $last)
    )
"""


def main() -> None:
    """Print the seconds of each part and of the whole run."""
    parser = argparse.ArgumentParser()
    for name, default in (("leads", 500_000), ("events", 2_000_000)):
        parser.add_argument(name, type=int, nargs="?", default=default)
    options = parser.parse_args()
    with product(kept(f"evaluate-{options.leads}-{options.events}")) as (_app, settings):
        fill(settings, options.leads, options.events // ON_THE_LIST, BEFORE + WIDTH)
        for earlier in (0, BEFORE):
            empty(settings)
            if earlier:
                evaluate_days(settings, LAST - dt.timedelta(earlier), LAST - dt.timedelta(1))
            with logs(settings, options.leads, options.events) as folder:
                run(settings, folder, earlier)
        print(f"peak memory {peak_mb():,.0f} MB")


@contextlib.contextmanager
def logs(settings: Settings, leads: int, events: int) -> Iterator[Path]:
    """Make log files of the date that the store doesn't know."""
    version = store.snapshot(activity_root(settings)).version
    values = {"day": LAST, "institutions": INSTITUTIONS, "share": ON_THE_LIST, "leads": leads}
    values |= {"people": events // 3, "run": version}
    with tempfile.TemporaryDirectory(dir=kept("").parent) as folder:
        for part in range(FILES):
            bounds = {"first": events * part // FILES, "last": events * (part + 1) // FILES}
            relation = duckdb.sql(LOG, params=values | bounds)
            assert relation is not None
            relation.write_parquet(f"{folder}/part-{part}.parquet", compression="zstd")
        yield Path(folder)


def empty(settings: Settings) -> None:
    """Take the date, everybody's hits and the events of earlier dates away."""
    db.session.execute(text("TRUNCATE hit, ingest_file CASCADE"))
    db.session.commit()
    root = activity_root(settings)
    for layer, schema in (("events", EVENTS), ("activity", ACTIVITY)):
        pq.write_table(schema.to_pyarrow().empty_table(), root / EMPTY[layer])
    now = {**EMPTY, "leads_source": EMPTY["activity"], "leads_fingerprint": fingerprint(db.session)}
    with store.writing(root) as writer:
        earlier = {day: entry for day, entry in writer.state.days.items() if day < LAST}
        writer.commit({day: replace(entry, **now) for day, entry in earlier.items()}, duplicates={})


def run(settings: Settings, folder: Path, earlier: int) -> None:
    """Run the date."""
    times = [time.perf_counter()]
    result = ingest_logs(settings, [folder])
    times.append(time.perf_counter())
    prepare(settings, [LAST])
    times.append(time.perf_counter())
    counts = evaluate_days(settings, LAST, LAST)[LAST.isoformat()]
    times.append(time.perf_counter())
    ingest, layer, hits = (end - start for start, end in itertools.pairwise(times))
    made, again = (sum(counts[kind].values()) for kind in ("created", "refreshed"))
    print(
        f"after {earlier} dates: {result.as_json()['accepted']:,} events {ingest:.1f} s, "
        f"lead layer {layer:.1f} s, {made:,} hits made and {again:,} met again {hits:.1f} s; "
        f"whole {times[-1] - times[0]:.1f} s, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
