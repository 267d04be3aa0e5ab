"""Call logs as the provider delivers them: three files a day, with late, repeated and broken rows."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import TextIO
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from app.demo.story import Call
from app.t1.inbox import MARK

COLUMNS = ("request_id", "event_time", "event_type", "institution_code", "id_hash", "result")
Row = tuple[str, ...]

LATE, REPEATED, BROKEN = 0.003, 0.002, 0.001
_BREAKS = {
    "event_time": "25:61",
    "event_type": "voice_verify",
    "institution_code": "",
    "id_hash": "n/a",
    "result": "?",
}


class Provider:
    """Turns calls into deliveries below ``folder``, one sub-folder a date."""

    def __init__(self, folder: Path, zone: ZoneInfo, random: Random) -> None:
        self._folder = folder
        self._zone = zone
        self._random = random
        self._late: list[Row] = []

    def deliver(self, date: dt.date, calls: Sequence[Call], *, last: bool) -> int:
        """Write the files of a date; unless it is the last, a few rows come a day late. Rows written."""
        delivered = self._late
        self._late = []
        for number, call in enumerate(calls, start=1):
            late = not last and self._random.random() < LATE
            (self._late if late else delivered).append(_row(date, number, call))
        delivered += self._again(delivered)
        delivered += self._broken(delivered)
        self._write(date, delivered)
        return len(delivered)

    def _again(self, rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if self._random.random() < REPEATED]

    def _broken(self, rows: Sequence[Row]) -> list[Row]:
        return [self._break(row) for row in rows if self._random.random() < BROKEN]

    def _break(self, row: Row) -> Row:
        column = self._random.choice(list(_BREAKS))
        cells = dict(zip(COLUMNS, row, strict=True)) | {column: _BREAKS[column]}
        return tuple((cells | {"request_id": row[0] + "-b"}).values())

    def _write(self, date: dt.date, rows: Sequence[Row]) -> None:
        folder = self._folder / date.isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        with _gzip_text(folder / "part-a.csv.gz") as stream:
            csv.writer(stream).writerows([COLUMNS, *rows[0::5], *rows[1::5]])
        with _gzip_text(folder / "part-b.jsonl.gz") as stream:
            stream.writelines(self._json_line(row) for part in (rows[2::5], rows[3::5]) for row in part)
        columns = zip(*rows[4::5], strict=True) if rows[4::5] else [()] * len(COLUMNS)
        table = pa.table(dict(zip(COLUMNS, (pa.array(c, pa.string()) for c in columns), strict=True)))
        pq.write_table(table, folder / "part-c.parquet")
        (folder / MARK).touch()

    def _json_line(self, row: Row) -> str:
        cells = dict(zip(COLUMNS, row, strict=True))
        # A broken time stays as it is; a good one carries its offset in this format.
        with suppress(ValueError):
            moment = dt.datetime.fromisoformat(cells["event_time"]).replace(tzinfo=self._zone)
            cells["event_time"] = moment.isoformat(timespec="milliseconds")
        return json.dumps(cells) + "\n"


def _row(date: dt.date, number: int, call: Call) -> Row:
    at = call.at.isoformat(" ", timespec="milliseconds")
    return (f"{date:%Y%m%d}-{number:06d}", at, call.event_type, call.institution, call.id_hash, call.result)


@contextmanager
def _gzip_text(path: Path) -> Iterator[TextIO]:
    """Text into a gzip file without name and time, so that equal content is an equal file."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        io.TextIOWrapper(packed, "utf-8", newline="") as stream,
    ):
        yield stream
