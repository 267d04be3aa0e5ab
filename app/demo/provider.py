"""Call logs as the provider delivers them: three files a day, with late, repeated and broken rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from app.demo.behaviour import Call
from app.t1.inbox import MARKER

COLUMNS = ("request_id", "event_time", "event_type", "institution_code", "id_hash", "result")
Row = tuple[str, ...]

LATE, REPEATED, BROKEN = 0.003, 0.002, 0.001
#: without a time in the header, so that equal content is an equal file
_GZIP: dict[str, Any] = {"method": "gzip", "compresslevel": 6, "mtime": 0}
_BREAKS = {
    "event_time": "25:61",
    "event_type": "voice_verify",
    "institution_code": "",
    "id_hash": "n/a",
    "result": "?",
}


class Provider:
    """Writer of log deliveries below ``folder``, one sub-folder a date."""

    def __init__(self, folder: Path, zone: ZoneInfo, random: Random) -> None:
        self._folder = folder
        self._zone = zone
        self._random = random
        self._late: list[Row] = []

    def deliver(self, date: dt.date, calls: Sequence[Call], *, last: bool) -> int:
        """Write the files of a date and return the number of rows.

        A few rows are delivered a day late, unless it is the last date.
        """
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
        calls = pd.DataFrame(rows, columns=COLUMNS, dtype="str")
        place = calls.index % 5
        calls[place < 2].to_csv(
            folder / "part-a.csv.gz", index=False, lineterminator="\r\n", compression=_GZIP
        )
        in_json = calls[place.isin([2, 3])]
        in_json.assign(event_time=in_json.event_time.map(self._with_offset)).to_json(
            folder / "part-b.jsonl.gz", orient="records", lines=True, compression=_GZIP
        )
        calls[place == 4].to_parquet(folder / "part-c.parquet", index=False)
        (folder / MARKER).touch()

    def _with_offset(self, event_time: str) -> str:
        """Return the time with its offset from UTC; a broken one as it is."""
        with suppress(ValueError):
            moment = dt.datetime.fromisoformat(event_time).replace(tzinfo=self._zone)
            return moment.isoformat(timespec="milliseconds")
        return event_time


def _row(date: dt.date, number: int, call: Call) -> Row:
    at = call.at.isoformat(" ", timespec="milliseconds")
    return (f"{date:%Y%m%d}-{number:06d}", at, call.event_type, call.institution, call.id_hash, call.result)
