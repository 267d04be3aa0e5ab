"""The activity store: immutable data files, and a manifest that names the current ones.

A commit writes data files, appends to the journal, then swaps the manifest in one step, which makes the
whole commit visible at once. A lock lets one writer in at a time. Readers never lock: they read the
manifest once and use the files it names, which are kept for at least KEEP_RETIRED_SECONDS. Where the files
lie is the business of places.py.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from app.activity import room
from app.activity.errors import ActivityError
from app.activity.objects import MANIFEST
from app.activity.places import Root, place_of

KEEP_RETIRED_SECONDS = 3600
#: of an event in all files, measured: 29 in the events, 10 in the activity, 10 in the index of ids
BYTES_A_ROW = 50
LAYERS = ("events", "duplicates", "activity", "leads")
# The points at which a crash must be harmless, in the order of an ingest.
STEPS = (
    "workspace made",
    "files checked",
    "writer locked",
    "garbage collected",
    "ids written",
    "rejects written",
    "events written",
    "activity written",
    "duplicates written",
    "leads written",
    "journal appended",
    "manifest written",
    "manifest swapped",
)


def _step(name: str) -> None:
    """Do nothing. Called at each of STEPS, so that tests can crash there."""


@dataclass(frozen=True)
class Day:
    """The committed files of one local date; names are relative to the store's root.

    The lead layer belongs to one lead list (`leads_fingerprint`) and one activity file (`leads_source`).
    `has_deliveries` tells that the events say which delivery they came from; those of old stores don't.
    """

    events: str
    activity: str
    rows: int
    leads: str | None = None
    leads_fingerprint: str | None = None
    leads_source: str | None = None
    has_deliveries: bool = False

    def files(self) -> set[str]:
        """Return the names of the day's files."""
        return {name for name in (self.events, self.activity, self.leads) if name}


@dataclass(frozen=True)
class FactFile:
    """A committed file of facts (app/facts/store.py) about the leads ``first`` … ``last``.

    ``batches`` are the import batches whose rows it has, ``columns`` those of values. What a ``covered`` file
    states is in the files of the latest values.
    """

    name: str
    batches: tuple[int, ...]
    columns: tuple[str, ...]
    first: int
    last: int
    covered: bool = False


@dataclass(frozen=True)
class LatestFacts:
    """The latest values of each lead, as of the date ``through`` or a later one."""

    through: date
    files: tuple[FactFile, ...]


@dataclass(frozen=True)
class IdRun:
    """A sorted part of the index of request ids (app/activity/request_ids.py), in two files."""

    name: str
    rows: int

    @property
    def keys(self) -> str:
        """The name of the file of keys."""
        return f"{self.name}.keys"

    @property
    def days(self) -> str:
        """The name of the file of their dates."""
        return f"{self.name}.days"

    def files(self) -> set[str]:
        """Return the names of both files."""
        return {self.keys, self.days}


@dataclass(frozen=True)
class IdIndex:
    """The index of request ids, and the dates ``missing`` from it in a store that was written without one."""

    runs: tuple[IdRun, ...] = ()
    missing: tuple[date, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """A committed state of the store. An empty store has version 0.

    ``duplicates`` names by date the files of what was delivered but lost to another event of its request id:
    it counts again when the other one's delivery is withdrawn. The journal is the first ``journal_bytes`` of
    a folder's, or the files ``journal`` of an object store, of whose files ``sizes`` has the bytes.
    """

    root: Root
    version: int = 0
    timezone: str | None = None
    days: Mapping[date, Day] = field(default_factory=dict)
    duplicates: Mapping[date, str] = field(default_factory=dict)
    journal_bytes: int = 0
    retired: Mapping[str, float] = field(default_factory=dict)
    facts: tuple[FactFile, ...] = ()
    latest_facts: LatestFacts | None = None
    ids: IdIndex = IdIndex()
    journal: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)

    def paths(self, names: Iterable[str]) -> list[Path]:
        """Return where files can be read on this machine. Raises ActivityError when they can't be had."""
        names, place = list(names), place_of(self.root)
        try:
            place.obtain({name: self.sizes.get(name, 0) for name in names})
        except FileNotFoundError as error:
            raise ActivityError(
                "the activity store %(place)s lacks a file: %(why)s", place=str(place), why=str(error)
            ) from error
        return [place.folder / name for name in names]

    def path(self, name: str) -> Path:
        """Return where a file can be read on this machine, as ``paths`` does."""
        [path] = self.paths([name])
        return path

    def size(self, names: Iterable[str]) -> int:
        """Return the bytes of files."""
        folder = place_of(self.root).folder
        return sum(self.sizes.get(name) or (folder / name).stat().st_size for name in names)

    def require_room(self, days: Iterable[date], rows: int = 0) -> None:
        """Raise ActivityError when there is no room to write these dates anew with ``rows`` more events."""
        known = [self.days[day] for day in days if day in self.days]
        needed = self.size(name for day in known for name in (day.events, day.activity))
        room.require(place_of(self.root).folder, needed + rows * BYTES_A_ROW)

    def files(self) -> set[str]:
        """Return the names of all data files of the state."""
        of_days = {name for day in self.days.values() for name in day.files()}
        of_days |= {*self.duplicates.values()} | {name for run in self.ids.runs for name in run.files()}
        latest = self.latest_facts.files if self.latest_facts else ()
        of_facts = {file.name for file in (*self.facts, *latest)}
        return of_days | of_facts | {*self.journal}

    def all_days(self) -> set[date]:
        """Return the dates with events or duplicates."""
        return {*self.days, *self.duplicates}

    def digest(self, first: date, last: date) -> str:
        """Return a short digest of the data of the dates first … last: equal digests mean equal events."""
        named = [f"{day} {self.days[day].events}" for day in sorted(self.days) if first <= day <= last]
        return hashlib.sha256("\n".join(named).encode()).hexdigest()[:16]


def snapshot(root: Root) -> Snapshot:
    """Read the manifest and return its state. Raises ActivityError when it is damaged or can't be read."""
    return _read(root)[0]


def _read(root: Root) -> tuple[Snapshot, str]:
    """Return the state and the mark of its manifest."""
    found = place_of(root).manifest()
    return (_parsed(root, found[0]), found[1]) if found else (Snapshot(root), "")


def _parsed(root: Root, text: bytes) -> Snapshot:
    try:
        data = orjson.loads(text)
        days = {date.fromisoformat(name): Day(**entry) for name, entry in data.pop("days").items()}
        duplicates = {date.fromisoformat(day): name for day, name in data.pop("duplicates", {}).items()}
        facts, latest = _fact_files(data.pop("facts", ())), data.pop("latest_facts", None)
        if latest is not None:
            latest = LatestFacts(date.fromisoformat(latest["through"]), _fact_files(latest["files"]))
        ids = data.pop("ids", None)
        if ids is None:
            index = IdIndex(missing=tuple(sorted({*days, *duplicates})))
        else:
            missing = map(date.fromisoformat, ids["missing"])
            index = IdIndex(tuple(IdRun(**run) for run in ids["runs"]), tuple(missing))
        return Snapshot(
            root=root,
            days=days,
            duplicates=duplicates,
            facts=facts,
            latest_facts=latest,
            ids=index,
            journal=tuple(data.pop("journal", ())),
            **data,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ActivityError(
            "the activity manifest %(path)s is damaged: %(why)s",
            path=f"{root}/{MANIFEST}",
            why=str(error),
        ) from error


def _fact_files(entries: Sequence[Mapping[str, Any]]) -> tuple[FactFile, ...]:
    return tuple(
        FactFile(**{**each, "batches": tuple(each["batches"]), "columns": tuple(each["columns"])})
        for each in entries
    )


def days(state: Snapshot) -> list[date]:
    """Return the local dates that have events, ascending."""
    return sorted(state.days)


def deliveries(state: Snapshot) -> list[dict[str, Any]]:
    """Return one record per delivered file that was read, oldest first, with its figures of today.

    A record that was withdrawn keeps its figures and has the entry of its withdrawal under ``withdrawn``.
    Events that came to count by that are accepted events of their delivery, no duplicates any more.
    """
    records: list[dict[str, Any]] = []
    numbered: dict[int, dict[str, Any]] = {}
    for entry in _journal(state):
        if "withdraws" not in entry:
            records.append(entry)
            numbered[entry.get("delivery", 0)] = entry
            continue
        numbered[entry["withdraws"]]["withdrawn"] = entry
        for heir in entry["heirs"]:
            record, day, n = numbered[heir["delivery"]], heir["day"], heir["events"]
            record["accepted"] += n
            record["duplicates"] -= n
            record["days"][day] = record["days"].get(day, 0) + n
    return records


def _journal(state: Snapshot) -> list[dict[str, Any]]:
    lines = place_of(state.root).journal(state.journal_bytes, state.journal)
    return [orjson.loads(line) for line in lines.splitlines()]


class Writer:
    """The only writer of a store while it holds the lock. Created by `writing`."""

    def __init__(self, state: Snapshot, mark: str) -> None:
        self.state, self._mark, self._place = state, mark, place_of(state.root)
        self._suffix = self._place.suffix()

    @property
    def version(self) -> int:
        """The version of the next commit."""
        return self.state.version + 1

    def path(self, name: str) -> Path:
        """Return where this machine writes a new file."""
        return self._place.folder / name

    def new_file(self, layer: str, day: date, part: str = "") -> str:
        """Return the relative name of a data file of the next version, creating its folder."""
        return self._new(f"{layer}/day={day.isoformat()}/{self.version}{part}")

    def new_fact_file(self, number: int = 0) -> str:
        """Return the relative name of a file of facts of the next version, creating its folder."""
        return self._new(f"facts/{self.version}-{number}")

    def _new(self, name: str) -> str:
        name = f"{name}{self._suffix}.parquet"
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        return name

    def new_id_run(self, number: int) -> str:
        """Return the relative name of a run of the index of request ids, creating its folder."""
        self.path("ids").mkdir(exist_ok=True)
        return f"ids/{self.version}-{number}{self._suffix}"

    def take_over(self, state: Snapshot) -> Snapshot:
        """Commit the state of another store, with its files, to this empty one. Return the new state."""
        lines = place_of(state.root).journal(state.journal_bytes, state.journal)
        journal_bytes, journal = self._place.append(0, (), lines, f"journal/{state.version}{self._suffix}")
        new = replace(state, root=self.state.root, journal_bytes=journal_bytes, journal=journal, retired={})
        names = {*new.files(), *_rejects(state)}
        for name in sorted(names.difference(journal)):
            self.path(name).parent.mkdir(parents=True, exist_ok=True)
            _copy(state.path(name), self.path(name))
        sizes = self._place.publish(names)
        new = replace(new, sizes={name: size for name, size in sizes.items() if name in new.files()})
        return self._swap(new)

    def commit(
        self,
        days: Mapping[date, Day] | None = None,
        records: Sequence[Mapping[str, Any]] = (),
        *,
        duplicates: Mapping[date, str] | None = None,
        timezone: str | None = None,
        facts: Sequence[FactFile] | None = None,
        latest_facts: LatestFacts | None = None,
        ids: IdIndex | None = None,
    ) -> Snapshot:
        """Commit `days`, `duplicates`, `ids`, or `facts`, `latest_facts`; append `records` to the journal.

        What is not given stays as it is. Return the state.
        """
        old, place = self.state, self._place
        lines = b"".join(orjson.dumps(record) + b"\n" for record in records)
        journal = f"journal/{self.version}{self._suffix}"
        journal_bytes, journals = place.append(old.journal_bytes, old.journal, lines, journal)
        new = replace(
            old,
            version=self.version,
            days=old.days if days is None else dict(days),
            duplicates=old.duplicates if duplicates is None else dict(duplicates),
            facts=old.facts if facts is None else tuple(facts),
            latest_facts=old.latest_facts if facts is None else latest_facts,
            timezone=timezone or old.timezone,
            ids=ids or old.ids,
            journal_bytes=journal_bytes,
            journal=journals,
        )
        rejects = {record["rejects_file"] for record in records if record.get("rejects_file")}
        named = new.files()
        sizes = {**old.sizes, **place.publish((named - old.files()) | rejects)}
        retired = dict.fromkeys(old.files() - named, time.time()) | dict(old.retired)
        kept = {name: size for name, size in sizes.items() if name in named}
        return self._swap(replace(new, retired=retired, sizes=kept))

    def _swap(self, new: Snapshot) -> Snapshot:
        _step("journal appended")
        text = _manifest(new)
        self._place.stage(text)
        _step("manifest written")
        self._mark = self._place.swap(text, self._mark)
        _step("manifest swapped")
        self.state = new
        return new


@contextmanager
def writing(root: Root) -> Iterator[Writer]:
    """Wait for the store's lock, delete what a crash has left, and yield the writer of one commit."""
    with place_of(root).locked():
        _step("writer locked")
        state, mark = _read(root)
        state = _collect_garbage(state)
        _step("garbage collected")
        yield Writer(state, mark)


@contextmanager
def workspace(root: Root) -> Iterator[Path]:
    """Yield a private scratch folder of this machine. After a crash a later caller removes it."""
    scratch = place_of(root).folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(scratch)
    new = Path(tempfile.mkdtemp(prefix="new-", dir=scratch))
    with (new / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Only locked folders are named work-, so that one without a lock is certainly abandoned.
        folder = new.rename(scratch / new.name.replace("new-", "work-", 1))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def drop_days_before(root: Root, day: date) -> int:
    """Drop the dates before `day` and the rejected rows delivered before it. Return the number of dates.

    Their files are deleted by the first write after KEEP_RETIRED_SECONDS.
    """
    place = place_of(root)
    with writing(root) as writer:
        state = writer.state
        kept = {known: entry for known, entry in state.days.items() if known >= day}
        duplicates = {known: name for known, name in state.duplicates.items() if known >= day}
        dropped = len(state.days) - len(kept)
        if dropped or len(duplicates) < len(state.duplicates):
            writer.commit(kept, duplicates=duplicates)
        rejects = [
            record["rejects_file"]
            for record in deliveries(writer.state)
            if record["rejects_file"] and record["time"][:10] < day.isoformat()
        ]
        place.delete(rejects)
    place.sweep(lambda: _in_use(snapshot(root)))
    return dropped


def copy(source: Root, target: Root) -> Snapshot:
    """Copy a store to an empty place while no writer changes it. Return its state there."""
    with writing(source) as old, writing(target) as new:
        if new.state.version:
            raise ActivityError("there is an activity store in %(place)s already", place=str(target))
        return new.take_over(old.state)


def _copy(old: Path, new: Path) -> None:
    """Give a file that never changes a second name or, on another disk, a copy."""
    new.unlink(missing_ok=True)
    try:
        os.link(old, new)
    except OSError:
        room.require(new.parent, old.stat().st_size)
        shutil.copyfile(old, new)


def _rejects(state: Snapshot) -> list[str]:
    """Return the files of rejected rows that are kept."""
    named = [record["rejects_file"] for record in deliveries(state) if record["rejects_file"]]
    return [name for name in named if rejects_file(state.root, name)]


def rejects_file(root: Root, name: str) -> Path | None:
    """Return the file of a delivery's rejected rows, None when it is not kept any more."""
    place = place_of(root)
    with suppress(FileNotFoundError):
        place.obtain({name: 0})
    path = place.folder / name
    return path if path.is_file() else None


def _manifest(state: Snapshot) -> bytes:
    data: dict[str, Any] = {
        "version": state.version,
        "timezone": state.timezone,
        "days": {day.isoformat(): vars(state.days[day]) for day in sorted(state.days)},
        "duplicates": {day.isoformat(): state.duplicates[day] for day in sorted(state.duplicates)},
        "journal_bytes": state.journal_bytes,
        "retired": dict(state.retired),
        "ids": {
            "runs": [vars(run) for run in state.ids.runs],
            "missing": [day.isoformat() for day in state.ids.missing],
        },
        "facts": [vars(file) for file in state.facts],
        "latest_facts": state.latest_facts
        and {
            "through": state.latest_facts.through.isoformat(),
            "files": [vars(file) for file in state.latest_facts.files],
        },
    }
    if state.journal or state.sizes:
        data |= {"journal": state.journal, "sizes": dict(state.sizes)}
    return json.dumps(data, indent=1).encode()


def _in_use(state: Snapshot) -> set[str]:
    """Return the names of files that readers of this state or a recent one may read."""
    return state.files() | state.retired.keys()


def _collect_garbage(state: Snapshot) -> Snapshot:
    """Delete files that a crash left and that no state names, and files retired long enough ago."""
    limit, place = time.time() - KEEP_RETIRED_SECONDS, place_of(state.root)
    recent = {name: when for name, when in state.retired.items() if when > limit}
    place.delete(state.retired.keys() - recent.keys())
    kept = state.files() | recent.keys()
    for file in _data_files(place.folder):
        if file.relative_to(place.folder).as_posix() not in kept:
            file.unlink()
    for layer in LAYERS:
        for folder in (place.folder / layer).glob("day=*"):
            if not any(folder.iterdir()):
                folder.rmdir()
    return replace(state, retired=recent)


def _data_files(root: Path) -> Iterator[Path]:
    for layer in LAYERS:
        yield from (root / layer).glob("day=*/*")
    yield from (root / "facts").glob("*.parquet")
    yield from (root / "ids").glob("*")
    yield from (root / "journal").glob("*.jsonl")


def _remove_abandoned(scratch: Path) -> None:
    for folder in scratch.glob("work-*"):
        try:
            with (folder / "lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        except FileNotFoundError:
            # Its owner is removing it, or died while doing so.
            shutil.rmtree(folder, ignore_errors=True)
    for folder in scratch.glob("new-*"):
        with suppress(FileNotFoundError):
            if folder.stat().st_mtime < time.time() - KEEP_RETIRED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
