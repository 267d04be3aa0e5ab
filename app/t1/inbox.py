"""Detection of complete files in the inbox, by observation. No file's time is compared with any clock.

A file counts as complete when its size and time have not changed for INBOX_QUIET_SECONDS between two scans,
when it was seen under a temporary name before, or when it has a marker. Files that a run has moved are
watched for WATCH_TIME, and one that still grows is returned to the inbox.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.activity.formats.files import find_files, split_ending
from app.extensions import db
from app.jobs.locks import Lock, wait_for_lock
from app.lib import clock
from app.models import InboxFile
from config import Settings

#: ``x.csv`` is complete when there is a file ``x.csv.done`` beside it, or ``.done`` in its folder
MARKER = ".done"
#: time for which a moved file is watched for growth
WATCH_TIME = dt.timedelta(days=2)
#: folders under DATA_DIR into which runs move files
MOVED_TO = ("delivered", "quarantine")


class State(NamedTuple):
    """The state by which a change of a file is detected."""

    size_bytes: int
    mtime_ns: int
    inode: str

    @classmethod
    def of(cls, path: Path) -> State | None:
        """Return the present state of a file, None when it can't be read."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        return cls(status.st_size, status.st_mtime_ns, f"{status.st_dev}:{status.st_ino}")


@dataclass(frozen=True)
class InboxScan:
    """The call logs of the inbox at one moment.

    ``untaken`` are the complete ones that no run has taken yet, ``states`` the states of all at that moment.
    """

    complete: list[Path]
    waiting: list[Path]
    untaken: frozenset[Path]
    states: Mapping[Path, State]

    def unchanged(self, path: Path) -> bool:
        """Return whether a file is still in the state of the scan."""
        return State.of(path) == self.states.get(path)


def inbox_folder(settings: Settings) -> Path:
    """Return the folder in which the provider puts files, creating it when necessary."""
    path = settings.data_dir / "inbox"
    path.mkdir(parents=True, exist_ok=True)
    return path


def scan(settings: Settings) -> InboxScan:
    """Store the states of the files in the inbox, in a transaction of its own, and return the scan."""
    root = inbox_folder(settings)
    with db.engine.begin() as connection:
        wait_for_lock(connection, Lock.INBOX)
        known = {row.path: row for row in connection.execute(select(InboxFile.__table__))}
        _return_changed(connection, settings, [row for key, row in known.items() if _is_moved(key)])
        present = _present_states(root, settings)
        _store_states(connection, {key: row for key, row in known.items() if not _is_moved(key)}, present)
        quiet = InboxFile.since <= clock.MOMENT - dt.timedelta(seconds=settings.inbox_quiet_seconds)
        settled = select(InboxFile.path, InboxFile.taken_at).where(or_(InboxFile.renamed, quiet))
        taken = {row.path: row.taken_at is not None for row in connection.execute(settled)}
    return _classify(find_files([root]), settings, present, taken)


def mark_taken(settings: Settings, paths: Iterable[Path]) -> None:
    """Record that a run has taken these files."""
    keys = [_key(path, settings) for path in paths]
    with db.engine.begin() as connection:
        connection.execute(update(InboxFile).where(InboxFile.path.in_(keys)).values(taken_at=clock.BEGAN))


def track_moved(settings: Settings, path: Path, target: Path) -> None:
    """Keep watching a file that a run has moved."""
    state = State.of(target)
    if state is None:
        return
    with db.engine.begin() as connection:
        connection.execute(delete(InboxFile).where(InboxFile.path == _key(target, settings)))
        # A move within one file system keeps the inode, and the state before the move still counts.
        state_values = {} if _same_inode(connection, _key(path, settings), state) else state._asdict()
        connection.execute(
            update(InboxFile)
            .where(InboxFile.path == _key(path, settings))
            .values(path=_key(target, settings), taken_at=clock.BEGAN, **state_values)
        )


def _same_inode(connection: Connection, key: bytes, state: State) -> bool:
    return connection.scalar(select(InboxFile.inode).where(InboxFile.path == key)) == state.inode


def _classify(
    logs: Sequence[Path], settings: Settings, present: Mapping[bytes, State], taken: Mapping[bytes, bool]
) -> InboxScan:
    complete, waiting, untaken = [], [], set()
    for path in logs:
        key = _key(path, settings)
        # A file without a readable state counts as complete, so that the ingest refuses it with a reason.
        if key not in present or key in taken or _is_marked(key, present):
            complete.append(path)
            if key in present and not taken.get(key, False):
                untaken.add(path)
        else:
            waiting.append(path)
    states = {path: present[_key(path, settings)] for path in logs if _key(path, settings) in present}
    return InboxScan(complete, waiting, frozenset(untaken), states)


def _is_marked(key: bytes, present: Mapping[bytes, State]) -> bool:
    marker = os.fsencode(MARKER)
    return key + marker in present or os.path.dirname(key) + b"/" + marker in present


def markers_of(path: Path) -> list[Path]:
    """Return the possible markers of a file."""
    return [path.with_name(path.name + MARKER), path.with_name(MARKER)]


def _present_states(root: Path, settings: Settings) -> dict[bytes, State]:
    """Return the states of all files in the inbox, including temporary and hidden ones."""
    paths = (Path(parent, name) for parent, _folders, names in os.walk(root) for name in names)
    return {_key(path, settings): state for path in paths if (state := State.of(path)) is not None}


def _store_states(connection: Connection, known: Mapping[bytes, Any], present: Mapping[bytes, State]) -> None:
    """Update the table of files. Unchanged files keep the time since which they have been unchanged."""
    gone = known.keys() - present.keys()
    temporary = {known[key].inode for key in gone if _is_temporary(key)}
    connection.execute(delete(InboxFile).where(InboxFile.path.in_(gone)))
    for key, state in present.items():
        row = known.get(key)
        if row is not None and State(row.size_bytes, row.mtime_ns, row.inode) == state:
            continue
        values = {
            **state._asdict(),
            "since": clock.MOMENT,
            "renamed": state.inode in temporary,
            "taken_at": None,
        }
        connection.execute(
            insert(InboxFile)
            .values(path=key, **values)
            .on_conflict_do_update(index_elements=["path"], set_=values)
        )


def _return_changed(connection: Connection, settings: Settings, moved: Sequence[Any]) -> None:
    """Return files that changed after a run moved them to the inbox, and stop watching old ones."""
    old = InboxFile.taken_at < clock.BEGAN - WATCH_TIME
    connection.execute(delete(InboxFile).where(old, InboxFile.path.in_([row.path for row in moved])))
    for row in moved:
        path = settings.data_dir / os.fsdecode(row.path)
        state = State.of(path)
        if state == State(row.size_bytes, row.mtime_ns, row.inode):
            continue
        connection.execute(delete(InboxFile).where(InboxFile.path == row.path))
        if state is not None:
            target = inbox_folder(settings) / path.relative_to(settings.data_dir / _top(row.path))
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target = target.with_name(f"{time.time_ns()}-{target.name}"[-120:])
            path.rename(target)


def _top(key: bytes) -> str:
    return os.fsdecode(key.split(b"/", 1)[0])


def _is_moved(key: bytes) -> bool:
    return _top(key) in MOVED_TO


def _is_temporary(key: bytes) -> bool:
    """Return whether a name is one that senders use while writing: hidden, or without a call log's ending."""
    path = Path(os.fsdecode(key))
    return any(part.startswith(".") for part in path.parts) or not split_ending(path)[0]


def _key(path: Path, settings: Settings) -> bytes:
    return os.fsencode(path.relative_to(settings.data_dir))
