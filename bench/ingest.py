"""Ingest of call logs compared with pandas doing the same, and with reading the files alone.

``python bench/ingest.py [EVENTS] [--days D] [--files F] [--endings parquet csv.gz jsonl.gz] [--no-pandas]``

The default is 1,000,000 events of one day in four files a format. A share of the rows has each kind of fault,
another repeats a request id, with the same content or other content. Each measurement runs in a process of
its own, whose peak memory is printed. The files are kept (see ``kept``).
"""

from __future__ import annotations

import argparse
import gzip
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from app.activity.event_types import REGISTRY
from app.activity.formats.rows import FIELDS
from app.activity.ingest import ingest
from bench._common import kept, peak_mb

ZONE = "Asia/Shanghai"
NOW = datetime(2026, 11, 1, 4, tzinfo=UTC)
#: rows drawn by hashes of their number, so that they are the same in every format; of 1,000 rows 6 have a
#: fault, 10 repeat an earlier one and half a row repeats only a request id
EVENTS = """
    WITH numbers AS (SELECT range AS n, hash(range) AS h, hash(range, 1) AS g FROM range($first, $last)),
    drawn AS (
        SELECT (h >> 20) % 1000 AS fault, n - 1 - CAST(g % 2000 AS BIGINT) AS earlier,
            CASE WHEN n > 2000 AND (h % 100 = 7 OR g % 2000 = 7) THEN earlier ELSE n END AS id,
            CASE WHEN n > 2000 AND h % 100 = 7 THEN id ELSE n END AS content
        FROM numbers
    ),
    texts AS (
        SELECT id, fault, hash(content, 2) AS v, hash(content, 3) AS w,
            TIMESTAMP '2026-10-01' + to_days(CAST(hash(content, 4) % $days AS INTEGER))
                + to_milliseconds(CAST(hash(content, 5) % 86400000 AS BIGINT)) AS moment
        FROM drawn
    )
    SELECT
        CASE WHEN fault = 1 THEN '' ELSE printf('rq%018d', id * 7919) END AS request_id,
        CASE WHEN fault = 2 THEN 'yesterday'
            WHEN v % 100 = 1 THEN strftime(moment - INTERVAL 8 HOUR, '%Y-%m-%dT%H:%M:%S.%gZ')
            WHEN v % 100 = 2 THEN strftime(moment, '%Y-%m-%d %H:%M:%S+08:00')
            ELSE strftime(moment, '%Y-%m-%d %H:%M:%S') END AS event_time,
        CASE WHEN fault = 3 THEN 'selfie'
            ELSE ['face_verify', 'id_ocr', 'data_call'][CAST(1 + v % 3 AS INTEGER)] END AS event_type,
        CASE WHEN fault = 4 THEN '' ELSE printf('ORG-%03d', CAST(w % 500 AS INTEGER)) END AS institution_code,
        CASE WHEN fault = 5 THEN 'none' ELSE sha256(CAST((w >> 16) % $people AS VARCHAR)) END AS id_hash,
        CASE WHEN fault = 6 THEN 'maybe' WHEN v % 10 < 8 THEN 'success' ELSE 'fail' END AS result
    FROM texts
"""
TIME = (
    r"\d{4}-\d\d-\d\d[ T](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?"
    r"(?:Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?"
)
KEYS = ["person", "institution", "type", "day", "hour", "ok"]
Figures = dict[str, Any]


def main() -> None:
    """Print events a second, ratios and peak memory of each format."""
    parser = argparse.ArgumentParser()
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--endings", nargs="+", default=["parquet", "csv.gz", "jsonl.gz"])
    parser.add_argument("--no-pandas", action="store_true")
    options = parser.parse_args()
    duckdb.execute("SET enable_progress_bar = false")
    for ending in options.endings:
        files = made(ending, options.events, options.days, options.files)
        scan = measured("scan" if ending == "parquet" else "gunzip", options.events, alone, files)[0]
        took, figures = measured("ingest", options.events, ours, files)
        said = f"{ending}: {took / scan:.1f} times the time of reading alone"
        if not options.no_pandas:
            theirs, expected = measured("pandas", options.events, by_pandas, files)
            assert figures == expected, (figures, expected)
            said += f", {theirs / took:.2f} times as fast as pandas with equal counts"
        print(f"{said}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)


def made(ending: str, events: int, days: int, files: int) -> list[Path]:
    """Return the files of a format, made when they are not kept from an earlier run."""
    folder = kept(f"ingest-{events}-{days}-{files}") / ending
    if not folder.exists():
        new = folder.with_name(f"{ending}.new")
        new.mkdir(parents=True, exist_ok=True)
        for part in range(files):
            values = {
                "first": events * part // files,
                "last": events * (part + 1) // files,
                "days": days,
                "people": max(events // 3, 1),
            }
            write(duckdb.sql(EVENTS, params=values), new / f"part-{part:03}.{ending}")
        new.rename(folder)
    return sorted(folder.iterdir())


def write(rows: duckdb.DuckDBPyRelation | None, file: Path) -> None:
    """Write rows in the format of the file's name."""
    assert rows is not None
    if file.suffix == ".parquet":
        rows.write_parquet(str(file), compression="zstd")
    elif ".csv" in file.name:
        rows.write_csv(str(file), compression="gzip")
    else:
        duckdb.sql(f"COPY (FROM rows) TO '{file}' (FORMAT json, COMPRESSION gzip)")


def measured(
    name: str, events: int, work: Callable[[Sequence[Path]], Figures], files: Sequence[Path]
) -> tuple[float, Figures]:
    """Do the work in a process of its own, print its figures, return the seconds and what it counted."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        seconds, cpu, memory, figures = process.submit(watched, work, files).result()
    print(
        f"{files[0].name.partition('.')[2]:9}{name:8}{seconds:7.1f} s {events / seconds:12,.0f} events/s,"
        f" {cpu:7.1f} s of {cpu / seconds:.1f} cores, peak {memory:,.0f} MB",
        flush=True,
    )
    return seconds, figures


def watched(
    work: Callable[[Sequence[Path]], Figures], files: Sequence[Path]
) -> tuple[float, float, float, Figures]:
    """Return the seconds and processor seconds of the work, the peak memory, and what the work counted."""
    started, cpu = time.perf_counter(), time.process_time()
    figures = work(files)
    return time.perf_counter() - started, time.process_time() - cpu, peak_mb(), figures


def alone(files: Sequence[Path]) -> Figures:
    """Read the files and do nothing else: every value of Parquet, every byte of the others."""
    if files[0].suffix == ".parquet":
        counted = ", ".join(f"max({field})" for field in FIELDS)
        duckdb.read_parquet([str(file) for file in files]).aggregate(counted).fetchall()
        return {}
    for file in files:
        with gzip.open(file) as stream:
            while stream.read(1 << 20):
                pass
    return {}


def ours(files: Sequence[Path]) -> Figures:
    """Ingest the files into an empty store."""
    with tempfile.TemporaryDirectory(dir=kept("").parent) as folder:
        figures = ingest(Path(folder), files, timezone=ZONE, now=NOW).as_json()
    return {name: figures[name] for name in ("rows", "accepted", "duplicates", "rejected", "days")}


def by_pandas(files: Sequence[Path]) -> Figures:
    """Do by pandas what an ingest does: the same checks, deduplication, layers and rejected rows."""
    frame = pd.concat(map(read, files), ignore_index=True)
    for field in FIELDS:
        frame[field] = frame[field].fillna("").str.strip()
    moment = moments(frame.event_time)
    local = moment.dt.tz_convert(ZONE)
    latest = pd.Timestamp(NOW) + pd.Timedelta(days=1)
    reason = pd.Series("", index=frame.index)
    for name, wrong in [
        ("bad_result", ~frame.result.isin(["success", "fail"])),
        ("bad_id_hash", ~frame.id_hash.str.fullmatch("[0-9A-Fa-f]{64}")),
        ("missing_institution", frame.institution_code == ""),
        ("unknown_event_type", ~frame.event_type.isin(list(REGISTRY))),
        ("bad_event_time", ~((local >= pd.Timestamp("2000-01-01", tz=ZONE)) & (local <= latest))),
        ("missing_request_id", frame.request_id == ""),
    ]:
        reason = reason.mask(wrong, name)
    sound = reason == ""
    local = local[sound]
    events = pd.DataFrame(
        {
            "request_id": frame.request_id[sound],
            "person": frame.id_hash[sound].str.slice(0, 32).str.lower(),
            "institution": frame.institution_code[sound].astype("category"),
            "type": frame.event_type[sound].map({name: entry.number for name, entry in REGISTRY.items()}),
            "happened_at": moment[sound],
            "day": local.dt.strftime("%Y-%m-%d").astype("category"),
            "hour": local.dt.hour.astype("uint8"),
            "second": (local.dt.minute * 60 + local.dt.second).astype("uint16"),
            "ok": frame.result[sound] == "success",
        }
    )
    rejected = frame[~sound].assign(reason=reason[~sound])
    del frame, moment, local
    winners = deduplicated(events)
    with tempfile.TemporaryDirectory(dir=kept("").parent) as folder:
        rejected.to_csv(Path(folder) / "rejected.csv")
        for day, of_day in winners.groupby("day", observed=True):
            store_day(of_day, Path(folder) / str(day))
    return {
        "rows": len(events) + len(rejected),
        "accepted": len(winners),
        "duplicates": len(events) - len(winners),
        "rejected": dict(sorted(rejected.reason.value_counts().items())),
        "days": {day: count for day, count in sorted(winners.day.value_counts().items()) if count},
    }


def read(file: Path) -> pd.DataFrame:
    """Read a file of any format as text."""
    if file.suffix == ".parquet":
        return pd.read_parquet(file)
    if ".csv" in file.name:
        return pd.read_csv(file, dtype=str, keep_default_na=False, engine="pyarrow")
    return pd.read_json(file, lines=True, dtype=False, convert_dates=False)


def moments(texts: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    """Return the instants of times with and without an offset."""
    matched = texts.str.fullmatch(TIME)
    with_offset = matched & texts.str.slice(19).str.contains("[Z+-]")
    local = pd.to_datetime(texts.where(matched & ~with_offset), format="ISO8601", errors="coerce")
    moment = local.dt.tz_localize(ZONE, ambiguous=True, nonexistent="shift_forward").dt.tz_convert("UTC")
    offset = pd.to_datetime(texts[with_offset], format="ISO8601", errors="coerce", utc=True)
    moment.loc[with_offset] = offset
    return moment


def deduplicated(events: pd.DataFrame) -> pd.DataFrame:
    """Return one event a request id: the earliest, of equally early ones the least by content."""
    contested = events.request_id.duplicated(keep=False)
    order = ["happened_at", "person", "institution", "type", "ok"]
    winners = events[contested].sort_values(order, kind="stable").drop_duplicates("request_id")
    return pd.concat([events[~contested], winners])


def store_day(events: pd.DataFrame, path: Path) -> None:
    """Write both layers of a date."""
    events.sort_values(["person", "happened_at", "request_id"]).to_parquet(
        path.with_suffix(".events"), compression="zstd"
    )
    counted = events.groupby(KEYS, observed=True).second.agg(["count", "min", "max"])
    counted.reset_index().to_parquet(path.with_suffix(".activity"), compression="zstd")


if __name__ == "__main__":
    main()
