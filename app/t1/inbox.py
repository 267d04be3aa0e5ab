"""Which files of the inbox are complete, by observation: no file's time is compared with any clock.

A file counts as complete when its size and time have stayed the same for INBOX_QUIET_SECONDS between two
looks, when it was seen under a temporary name before, or when a marker says so. Files that a run has moved on
are looked at for WATCHED: one that still grows comes back.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.activity.formats.files import find_files, split_ending
from app.extensions import db
from app.jobs.locks import Lock, wait_for_lock
from app.models import InboxFile
from config import Settings

#: beside ``x.csv`` a file ``x.csv.done``, or ``.done`` in its folder, says that it is complete
MARK = ".done"
#: for so long after it was moved a file is looked at for growth
WATCHED = dt.timedelta(days=2)
#: folders below DATA_DIR into which runs move files
MOVED = ("delivered", "quarantine")


class State(NamedTuple):
    """What tells that a file is unchanged."""

    size_bytes: int
    mtime_ns: int
    inode: str

    @classmethod
    def of(cls, path: Path) -> State | None:
        """The present state, None when there is none to see."""
        try:
            found = os.stat(path)
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns, f"{found.st_dev}:{found.st_ino}")


@dataclass(frozen=True)
class Look:
    """The call logs of the inbox at one moment.

    ``untaken``: those complete that no run has looked at yet; ``states``: as they were seen.
    """

    complete: list[Path]
    waiting: list[Path]
    untaken: frozenset[Path]
    states: Mapping[Path, State]

    def unchanged(self, path: Path) -> bool:
        """Whether a file is still as it was seen."""
        return State.of(path) == self.states.get(path)


def folder(settings: Settings) -> Path:
    """Where the provider's files are put."""
    path = settings.data_dir / "inbox"
    path.mkdir(parents=True, exist_ok=True)
    return path


def look(settings: Settings) -> Look:
    """Note what lies in the inbox now and say what of it is complete. Has a transaction of its own."""
    root = folder(settings)
    with db.engine.begin() as connection:
        wait_for_lock(connection, Lock.INBOX)
        known = {row.path: row for row in connection.execute(select(InboxFile.__table__))}
        _bring_back(connection, settings, [row for key, row in known.items() if _is_moved(key)])
        found = _present(root, settings)
        _note(connection, {key: row for key, row in known.items() if not _is_moved(key)}, found)
        quiet = InboxFile.since <= func.clock_timestamp() - dt.timedelta(seconds=settings.inbox_quiet_seconds)
        settled = select(InboxFile.path, InboxFile.taken_at).where(or_(InboxFile.renamed, quiet))
        taken = {row.path: row.taken_at is not None for row in connection.execute(settled)}
    return _sorted_out(find_files([root]), settings, found, taken)


def note_taken(settings: Settings, paths: Iterable[Path]) -> None:
    """Remember that a run has looked at these files."""
    keys = [_key(path, settings) for path in paths]
    with db.engine.begin() as connection:
        connection.execute(update(InboxFile).where(InboxFile.path.in_(keys)).values(taken_at=func.now()))


def note_moved(settings: Settings, path: Path, target: Path) -> None:
    """Go on looking at a file that a run has moved."""
    state = State.of(target)
    if state is None:
        return
    with db.engine.begin() as connection:
        connection.execute(delete(InboxFile).where(InboxFile.path == _key(target, settings)))
        # A move within one file system keeps the inode: what was seen before the move still counts.
        kept = {} if _same_inode(connection, _key(path, settings), state) else state._asdict()
        connection.execute(
            update(InboxFile)
            .where(InboxFile.path == _key(path, settings))
            .values(path=_key(target, settings), taken_at=func.now(), **kept)
        )


def _same_inode(connection: Connection, key: bytes, state: State) -> bool:
    return connection.scalar(select(InboxFile.inode).where(InboxFile.path == key)) == state.inode


def _sorted_out(
    logs: Sequence[Path], settings: Settings, found: Mapping[bytes, State], taken: Mapping[bytes, bool]
) -> Look:
    complete, waiting, untaken = [], [], set()
    for path in logs:
        key = _key(path, settings)
        # What has no state to observe is taken at once, so that it is refused with its reason.
        if key not in found or key in taken or _is_marked(key, found):
            complete.append(path)
            if key in found and not taken.get(key, False):
                untaken.add(path)
        else:
            waiting.append(path)
    states = {path: found[_key(path, settings)] for path in logs if _key(path, settings) in found}
    return Look(complete, waiting, frozenset(untaken), states)


def _is_marked(key: bytes, found: Mapping[bytes, State]) -> bool:
    return key + os.fsencode(MARK) in found or os.path.dirname(key) + b"/" + os.fsencode(MARK) in found


def marks_of(path: Path) -> list[Path]:
    """The markers that may stand for a file."""
    return [path.with_name(path.name + MARK), path.with_name(MARK)]


def _present(root: Path, settings: Settings) -> dict[bytes, State]:
    """Everything below the inbox, temporary and hidden files included."""
    paths = (Path(parent, name) for parent, _folders, names in os.walk(root) for name in names)
    return {_key(path, settings): state for path in paths if (state := State.of(path)) is not None}


def _note(connection: Connection, known: Mapping[bytes, Any], found: Mapping[bytes, State]) -> None:
    """Bring the table up to what was found: unchanged files keep the moment since which they are so."""
    gone = known.keys() - found.keys()
    temporary = {known[key].inode for key in gone if _is_temporary(key)}
    connection.execute(delete(InboxFile).where(InboxFile.path.in_(gone)))
    for key, state in found.items():
        row = known.get(key)
        if row is not None and State(row.size_bytes, row.mtime_ns, row.inode) == state:
            continue
        values = {
            **state._asdict(),
            "since": func.clock_timestamp(),
            "renamed": state.inode in temporary,
            "taken_at": None,
        }
        connection.execute(
            insert(InboxFile)
            .values(path=key, **values)
            .on_conflict_do_update(index_elements=["path"], set_=values)
        )


def _bring_back(connection: Connection, settings: Settings, moved: Sequence[Any]) -> None:
    """Put files that changed after a run moved them back into the inbox, and forget those of long ago."""
    old = InboxFile.taken_at < func.now() - WATCHED
    connection.execute(delete(InboxFile).where(old, InboxFile.path.in_([row.path for row in moved])))
    for row in moved:
        path = settings.data_dir / os.fsdecode(row.path)
        state = State.of(path)
        if state == State(row.size_bytes, row.mtime_ns, row.inode):
            continue
        connection.execute(delete(InboxFile).where(InboxFile.path == row.path))
        if state is not None:
            target = folder(settings) / path.relative_to(settings.data_dir / _top(row.path))
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target = target.with_name(f"{time.time_ns()}-{target.name}"[-120:])
            path.rename(target)


def _top(key: bytes) -> str:
    return os.fsdecode(key.split(b"/", 1)[0])


def _is_moved(key: bytes) -> bool:
    return _top(key) in MOVED


def _is_temporary(key: bytes) -> bool:
    """Whether senders use the name while they write: hidden, or without a call log's ending."""
    path = Path(os.fsdecode(key))
    return any(part.startswith(".") for part in path.parts) or not split_ending(path)[0]


def _key(path: Path, settings: Settings) -> bytes:
    return os.fsencode(path.relative_to(settings.data_dir))
