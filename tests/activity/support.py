"""Builders of call logs, and readers of a store's contents."""

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.activity import store
from app.activity.cube import EVENTS
from app.activity.formats.rows import FIELDS
from app.activity.ingest import ingest
from app.activity.places import Root
from app.activity.result import IngestResult

ZONE = "Asia/Shanghai"
#: when the logs of these tests are read
NOW = datetime(2026, 11, 1, 4, tzinfo=UTC)
HEADER = ",".join(FIELDS)
SAMPLE = Path(__file__).parents[1] / "data" / "sample"

Row = Mapping[str, Any]


def person(number: int) -> str:
    """Return a 64-digit hash whose first half identifies a person."""
    return f"{number:032x}" + "ab" * 16


def row(request_id: str = "r1", event_time: str = "2026-10-01 10:00:00", **fields: Any) -> dict[str, Any]:
    defaults = {
        "event_type": "face_verify",
        "institution_code": "I1",
        "id_hash": person(1),
        "result": "success",
    }
    return {"request_id": request_id, "event_time": event_time, **defaults, **fields}


def csv_text(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows in the format of the file's name. Return the path."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist([dict(one) for one in rows]), path)
        return path
    text = csv_text(rows) if name.endswith(".csv") else "".join(json.dumps(one) + "\n" for one in rows)
    return write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> Path:
    """Write a file's content, compressed if its name ends in .gz. Return the path."""
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path


def take(root: Root, *paths: Path, now: datetime = NOW) -> IngestResult:
    return ingest(root, paths, timezone=ZONE, now=now)


def events(root: Root) -> list[dict[str, Any]]:
    """Return all committed events in a fixed order, without the number of their delivery."""
    state = store.snapshot(root)
    columns = [name for name in EVENTS if name != "delivery"]
    paths = state.paths(day.events for day in state.days.values())
    tables = [pq.read_table(path, partitioning=None, columns=columns) for path in paths]
    return sorted((one for table in tables for one in table.to_pylist()), key=lambda one: str(one["rid"]))


def by_day(root: Root) -> dict[str, int]:
    return {day.isoformat(): entry.rows for day, entry in sorted(store.snapshot(root).days.items())}


def counts(root: Root) -> dict[str, Any]:
    """Return the totals of store and journal, which no crash or race may change."""
    records = store.deliveries(store.snapshot(root))
    rejected: Counter[str] = Counter()
    for record in records:
        rejected.update(record["rejected"])
    return {
        "days": by_day(root),
        "events": events(root),
        "files": sorted(record["digest"] for record in records),
        "rows": sum(record["rows"] for record in records),
        "accepted": sum(record["accepted"] for record in records),
        "duplicates": sum(record["duplicates"] for record in records),
        "rejected": dict(rejected),
        "activity": sum(activity_rows(root, day) for day in store.snapshot(root).days),
    }


def activity_rows(root: Root, day: date) -> int:
    """Return the number of events that the activity layer counts on a date."""
    state = store.snapshot(root)
    table = pq.read_table(state.path(state.days[day].activity), partitioning=None)
    return sum(table["n"].to_pylist())
