"""Index of request ids: which dates may hold an id, so that a commit reads the events of those dates only.

An entry is the first 64 bits of a stored id and a date on which it was delivered. Each commit writes its
entries as a sorted run and merges runs of one size, so that there are few, and a few ids touch few pages of
them. Entries are never taken back: one that no longer holds costs time, and no event is overlooked.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

import duckdb
import numpy as np
from numpy.typing import NDArray

from app.activity import engine, store
from app.activity.cube import EVENTS, view_events
from app.activity.places import place_of

#: this many runs of a size are merged into one; a size is a power of it
FAN = 8
#: entries that are in memory at once
PART_ROWS = 2 << 20
#: Larger runs are not merged any more, which would keep other writers waiting for minutes.
LARGEST_MERGED = 1 << 28
#: events of a store without an index that one commit adds to it
ADDED_ROWS = 50_000_000
_EPOCH = date(2000, 1, 1)
_KEY, _DAY = np.dtype("<u8"), np.dtype("<u2")
_ENTRIES = """
    SELECT CAST(CAST(rid AS UHUGEINT) >> 64 AS UBIGINT), CAST(day - DATE '2000-01-01' AS USMALLINT)
    FROM ({rows})
"""
_Part: TypeAlias = tuple[NDArray[np.uint64], NDArray[np.uint16]]


@dataclass(frozen=True)
class Found:
    """The dates that may hold one of the ids to be committed, and the index with these ids."""

    days: set[date]
    index: store.IdIndex


def add(connection: duckdb.DuckDBPyConnection, writer: store.Writer, base: store.Snapshot) -> Found:
    """Add the ids in the table `checked` to the index of `base`, and find the dates that may hold them."""
    files = _Runs(writer)
    index = base.ids if files.are_intact(base.ids.runs) else store.IdIndex((), tuple(sorted(base.all_days())))
    new = files.write(_entries(connection, "SELECT rid, day FROM checked WHERE rid IS NOT NULL"))
    days = {*index.missing}
    if new:
        days.update(*(files.days_of(new, run) for run in index.runs))
    missing = [day for day in index.missing if day in base.all_days()]
    added = _next(base, missing)
    old = files.write(_stored(connection, base, added)) if added else None
    (first,) = connection.execute("SELECT min(day) FROM checked").fetchall()[0]
    oldest = min([*base.all_days(), *([first] if first else [])], default=_EPOCH)
    runs = files.merge([run for run in (*index.runs, old, new) if run], oldest)
    store._step("ids written")
    return Found(days & base.days.keys(), store.IdIndex(tuple(runs), tuple(missing[len(added) :])))


def _next(base: store.Snapshot, missing: Sequence[date]) -> list[date]:
    """Return the first of the missing dates, as many as one commit adds."""
    added: list[date] = []
    rows = 0
    for day in missing:
        if rows >= ADDED_ROWS:
            break
        rows += base.days[day].rows if day in base.days else 0
        added.append(day)
    return added


def _stored(
    connection: duckdb.DuckDBPyConnection, base: store.Snapshot, days: Sequence[date]
) -> Iterator[_Part]:
    """Yield entries of all that is stored of the dates: what lost to another event may count again."""
    view_events(connection, "unlisted", base, [base.days[day] for day in days if day in base.days])
    beaten = base.paths(base.duplicates[day] for day in days if day in base.duplicates)
    engine.view(connection, "unlisted_duplicates", EVENTS, beaten)
    yield from _entries(
        connection, "SELECT rid, day FROM unlisted UNION ALL SELECT rid, day FROM unlisted_duplicates"
    )


def _entries(connection: duckdb.DuckDBPyConnection, rows: str) -> Iterator[_Part]:
    for batch in connection.sql(_ENTRIES.format(rows=rows)).to_arrow_reader(PART_ROWS):
        # Unlike to_numpy this doesn't load pandas.
        keys, days = map(np.from_dlpack, batch.columns)
        yield keys.view(_KEY), days.view(_DAY)


class _Runs:
    """The runs of the index, and the files that a commit writes."""

    def __init__(self, writer: store.Writer) -> None:
        self._writer = writer
        self._written: set[store.IdRun] = set()

    def are_intact(self, runs: Iterable[store.IdRun]) -> bool:
        """Return whether the files of the runs are there and have their size."""
        state, path = self._writer.state, self._writer.path
        names = [name for run in runs for name in run.files()]
        try:
            place_of(state.root).obtain({name: state.sizes.get(name, 0) for name in names})
            sizes = [(path(run.keys).stat().st_size, path(run.days).stat().st_size) for run in runs]
        except OSError:
            return False
        return sizes == [(_KEY.itemsize * run.rows, _DAY.itemsize * run.rows) for run in runs]

    def write(self, parts: Iterable[_Part]) -> store.IdRun | None:
        """Write entries in any order as a run, or nothing without any."""
        runs: list[store.IdRun] = []
        held: list[_Part] = []
        for part in parts:
            held.append(part)
            if sum(len(keys) for keys, _days in held) >= PART_ROWS:
                runs.append(self._write([_sorted(*_joined(held))]))
                held = []
        if any(len(keys) for keys, _days in held):
            runs.append(self._write([_sorted(*_joined(held))]))
        return self._merged(runs) if runs else None

    def merge(self, runs: Sequence[store.IdRun], oldest: date) -> list[store.IdRun]:
        """Return the runs after merging those of one size that are many.

        What is merged loses the entries of dates before `oldest`.
        """
        kept = list(runs)
        while many := _many_of_a_size(kept):
            merged = self._merged(many, oldest)
            kept = [run for run in kept if run not in many] + ([merged] if merged.rows else [])
        return kept

    def days_of(self, wanted: store.IdRun, run: store.IdRun) -> set[date]:
        """Return the dates of the entries of `run` that have a key of `wanted`."""
        keys, days = self._open(run)
        all_wanted, _ = self._open(wanted)
        found: set[int] = set()
        for start in range(0, len(all_wanted), PART_ROWS):
            part = all_wanted[start : start + PART_ROWS]
            end = int(np.searchsorted(keys, part[-1], "right"))
            # Ascending keys are looked up from left to right, so that each page is read once.
            at = np.searchsorted(keys[:end], part)
            part, at = part[at < end], at[at < end]
            at = at[keys[at] == part]
            while len(at):
                found.update(np.unique(days[at]).tolist())
                at = at[at + 1 < end] + 1
                at = at[keys[at] == keys[at - 1]]
        return {_EPOCH + timedelta(days=day) for day in found}

    def _merged(self, runs: Sequence[store.IdRun], oldest: date = _EPOCH) -> store.IdRun:
        if len(runs) == 1:
            return runs[0]
        merged = self._write(self._ranges(runs, (oldest - _EPOCH).days))
        for run in self._written.intersection(runs):
            for file in run.files():
                self._writer.path(file).unlink()
        return merged

    def _ranges(self, runs: Sequence[store.IdRun], oldest: int) -> Iterator[_Part]:
        """Yield the entries of all runs by ranges of their keys, in bounded memory."""
        opened = [self._open(run) for run in runs]
        count = 1 + sum(run.rows for run in runs) // PART_ROWS
        bounds = np.array([(1 << 64) * n // count for n in range(1, count)], _KEY)
        cuts = [[0, *np.searchsorted(keys, bounds).tolist(), len(keys)] for keys, _days in opened]
        for n in range(count):
            keys, days = _joined(
                [
                    (keys[cut[n] : cut[n + 1]], days[cut[n] : cut[n + 1]])
                    for (keys, days), cut in zip(opened, cuts, strict=True)
                ]
            )
            kept = days >= oldest
            yield _sorted(keys[kept], days[kept])

    def _write(self, parts: Iterable[_Part]) -> store.IdRun:
        name = self._writer.new_id_run(len(self._written))
        rows = 0
        empty = store.IdRun(name, 0)
        with (
            self._writer.path(empty.keys).open("wb") as keys_file,
            self._writer.path(empty.days).open("wb") as days_file,
        ):
            for keys, days in parts:
                keys.astype(_KEY, copy=False).tofile(keys_file)
                days.astype(_DAY, copy=False).tofile(days_file)
                rows += len(keys)
        run = store.IdRun(name, rows)
        self._written.add(run)
        return run

    def _open(self, run: store.IdRun) -> _Part:
        path = self._writer.path
        return np.memmap(path(run.keys), _KEY, "r"), np.memmap(path(run.days), _DAY, "r")


def _many_of_a_size(runs: Iterable[store.IdRun]) -> list[store.IdRun]:
    """Return FAN or more runs of one size that are to be merged, or nothing."""
    sizes: dict[int, list[store.IdRun]] = {}
    for run in runs:
        if run.rows <= LARGEST_MERGED:
            sizes.setdefault(int(math.log(run.rows, FAN)), []).append(run)
    return next((alike for alike in sizes.values() if len(alike) >= FAN), [])


def _joined(parts: Sequence[_Part]) -> _Part:
    return np.concatenate([keys for keys, _days in parts]), np.concatenate([days for _keys, days in parts])


def _sorted(keys: NDArray[np.uint64], days: NDArray[np.uint16]) -> _Part:
    """Return entries in the order of their keys, without most of those that are repeated."""
    order = np.argsort(keys)
    keys, days = keys[order], days[order]
    repeated = (keys[1:] == keys[:-1]) & (days[1:] == days[:-1])
    if repeated.any():
        kept = np.concatenate([[True], ~repeated])
        keys, days = keys[kept], days[kept]
    return keys, days
