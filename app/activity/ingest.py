"""Ingest of call logs: files are checked outside the store's lock, then merged and committed under it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from app.activity import checks, engine, request_ids, room, store
from app.activity.cube import EVENTS, view_events, write_activity
from app.activity.errors import ActivityError, RefusedFile
from app.activity.formats.files import Fingerprint, find_files, fingerprint
from app.activity.places import Root, place_of
from app.activity.progress import Progress, silent
from app.activity.rejects import write_rejects
from app.activity.result import FileRecord, IngestResult
from app.activity.settings import EngineSettings

# Each chunk is committed separately: large enough to rarely rewrite a date, small enough to lose little in a
# crash.
CHUNK_FILES = 1000
CHUNK_BYTES = 4 << 30
# Bytes on the disk for a byte of a compressed file, measured with far too little memory: what it becomes, and
# what the engine spills until its chunk is committed. Plain text is so many times as long.
STORED_A_BYTE = 1.2
SPILLED_A_BYTE = 1.6
TEXT_A_COMPRESSED = 3
ALREADY_KNOWN = "the same content was delivered before"
WITHDRAWN = "the same content was delivered before and withdrawn"
_SQL = {
    name: (Path(__file__).parent / "sql" / f"{name}.sql").read_text("utf-8")
    for name in ("merge", "day", "duplicates")
}


def ingest(
    root: Root,
    paths: Sequence[Path],
    *,
    timezone: str,
    now: datetime | None = None,
    source: str = "",
    listed: bool = False,
    memory_limit: str = "2GB",
    threads: int | None = None,
    progress: Callable[[Progress], None] = silent,
) -> IngestResult:
    """Add the call logs in `paths` (files, or folders at any depth) to the store in `root`.

    Each file is accepted or refused as a whole; the ingest continues after a refused one. Safe to repeat
    after a crash and to run beside another ingest. `timezone` is that of dates, hours and times without an
    offset. No event may be more than a day after `now` (by default this machine's time). The journal keeps
    `source`. With `listed`, the paths are files found by `find_files` in a folder that others write to: a
    missing one is refused, and so is a link, which could point to any file that we can read. Raises
    ActivityError when a path does not exist or the store was built with another time zone.
    """
    files = list(paths) if listed else find_files(paths)
    settings = EngineSettings(memory_limit=memory_limit, threads=threads)
    with opened(root, settings, timezone, now) as connection:
        return Ingest(root, connection, timezone, source, progress, listed).run(files)


@contextmanager
def opened(
    root: Root, settings: EngineSettings, timezone: str, now: datetime | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection that is prepared for checking files."""
    with store.workspace(root) as scratch:
        store._step("workspace made")
        with engine.connect(settings, scratch / "spill", timezone=timezone) as connection:
            checks.prepare(connection, now or datetime.now(UTC))
            yield connection


class Ingest:
    """One call of `ingest`: files are checked in memory, spilled when it is full, and committed in chunks."""

    def __init__(
        self,
        root: Root,
        connection: duckdb.DuckDBPyConnection,
        timezone: str,
        source: str = "",
        progress: Callable[[Progress], None] = silent,
        listed: bool = False,
    ) -> None:
        self.root = root
        self.listed = listed
        self.source = source
        self.connection = connection
        self.timezone = timezone
        self.progress = progress
        self.result = IngestResult()
        self.chunk: dict[int, FileRecord] = {}
        state = store.snapshot(root)
        require_timezone(state, timezone)
        self.known = self._known(store.deliveries(state))

    def run(self, files: Sequence[Path]) -> IngestResult:
        """Check and commit the files. Return their result."""
        sizes = [_size(file) for file in files]
        total = sum(sizes)
        self._require_room(files, sizes)
        # The next file is unpacked and identified on one core while the engine checks this one.
        with ThreadPoolExecutor(1) as ahead:
            following = [ahead.submit(self._identify, path) for path in files[:1]]
            for n, (path, done) in enumerate(zip(files, accumulate(sizes, initial=0), strict=False)):
                self.progress(Progress("read", done, total))
                identified = following.pop()
                wait([identified])
                following = [ahead.submit(self._identify, path) for path in files[n + 1 : n + 2]]
                self._check(path, identified.result)
                if (
                    len(self.chunk) >= CHUNK_FILES
                    or sum(file.size for file in self.chunk.values()) >= CHUNK_BYTES
                ):
                    self._commit_chunk()
        self.progress(Progress("read", total, total))
        self._commit_chunk()
        return self.result

    def _require_room(self, files: Sequence[Path], sizes: Sequence[int]) -> None:
        """Raise ActivityError when the disk can't hold what the files become and what a chunk spills."""
        stored = [
            size if path.name.endswith((".gz", ".parquet")) else size // TEXT_A_COMPRESSED
            for path, size in zip(files, sizes, strict=True)
        ]
        chunk = min(sum(stored), CHUNK_BYTES + max(sizes, default=0))
        needed = STORED_A_BYTE * sum(stored) + SPILLED_A_BYTE * chunk
        room.require(place_of(self.root).folder, int(needed))

    def check(self, path: Path) -> None:
        """Check a file, and keep its rows for the next commit unless it is refused or known."""
        self._check(path, lambda: self._identify(path))

    def _identify(self, path: Path) -> Fingerprint:
        if self.listed and path.is_symlink():
            raise RefusedFile("it is a link, and links in the inbox are not followed")
        return fingerprint(path)

    def _check(self, path: Path, identify: Callable[[], Fingerprint]) -> None:
        file_no = len(self.result.files)
        try:
            file = identify()
            if file.digest in self.known:
                reason = self.known[file.digest]
                record = FileRecord(path, "skipped", reason, digest=file.digest, size=file.size)
            else:
                checks.load(self.connection, file_no, file)
                self.known[file.digest] = ALREADY_KNOWN
                record = FileRecord(path, "read", digest=file.digest, size=file.size)
                self.chunk[file_no] = record
        except RefusedFile as error:
            record = FileRecord.refused(path, error)
        self.result.files.append(record)

    def _commit_chunk(self) -> None:
        store._step("files checked")
        if not self.chunk:
            return
        with store.writing(self.root) as writer:
            require_timezone(writer.state, self.timezone)
            self.skip_known(writer.state)
            if self.chunk:
                self.commit(writer, writer.state)
        checks.clear(self.connection)
        self.chunk = {}

    def _known(self, records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Return by digest why a file is skipped.

        What was withdrawn can be delivered again, but only by somebody who names the file.
        """
        return {
            record["digest"]: WITHDRAWN if "withdrawn" in record else ALREADY_KNOWN
            for record in records
            if self.listed or "withdrawn" not in record
        }

    def skip_known(self, state: store.Snapshot) -> None:
        """Skip files whose content another ingest has committed since they were checked."""
        known = self._known(store.deliveries(state))
        for file_no, record in list(self.chunk.items()):
            if record.digest in known:
                record.status, record.reason = "skipped", known[record.digest]
                self.connection.execute("DELETE FROM checked WHERE file_no = ?", [file_no])
                del self.chunk[file_no]

    def commit(
        self, writer: store.Writer, base: store.Snapshot, entries: Sequence[Mapping[str, Any]] = ()
    ) -> set[date]:
        """Merge the checked files into `base` and commit it, with `entries` in the journal before them.

        Return the dates whose events the files changed.
        """
        connection = self.connection
        first = 1 + max((each.get("delivery", 0) for each in store.deliveries(writer.state)), default=0)
        engine.tell(connection, first_delivery=first - min(self.chunk, default=0))
        found = request_ids.add(connection, writer, base)
        view_events(connection, "existing", base, [base.days[day] for day in sorted(found.days)])
        connection.execute(_SQL["merge"])
        self._count()
        base.require_room(*self._changed())
        for file_no, record in self.chunk.items():
            if record.rejected:
                record.rejects_file = write_rejects(connection, writer.path(""), file_no, record)
        store._step("rejects written")
        days, touched = self._rebuild(writer, base)
        duplicates = self._keep_duplicates(writer, base)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        numbered = {file_no - min(self.chunk) + first: record for file_no, record in self.chunk.items()}
        records = [
            record.as_journal(number, writer.version, now, self.source) for number, record in numbered.items()
        ]
        moved = self._moved()
        writer.commit(
            days, [*entries, *records], duplicates=duplicates, timezone=self.timezone, ids=found.index
        )
        self.result.moved.update(moved)
        return touched

    def _changed(self) -> tuple[list[date], int]:
        """Return the dates that the merge changes, and the number of events it adds."""
        days = self._rows("SELECT day FROM incoming UNION SELECT old_day FROM replaced ORDER BY 1")
        return [day for (day,) in days], sum(record.accepted for record in self.chunk.values())

    def _count(self) -> None:
        """Set the counts of the records from the checked rows and the merge."""
        for file_no, reason, count in self._rows(
            "SELECT file_no, NULL AS reason, count(*) FROM checked WHERE rejected IS NULL GROUP BY ALL "
            "UNION ALL SELECT file_no, rejected[1].reason, count(*) FROM checked WHERE rejected IS NOT NULL "
            "GROUP BY ALL ORDER BY file_no, reason"
        ):
            record = self.chunk[file_no]
            record.rows += count
            if reason:
                record.rejected[reason] = count
            else:
                record.duplicates = count
        for file_no, day, count in self._rows(
            "SELECT file_no, day, count(*) FROM incoming WHERE NOT known GROUP BY ALL ORDER BY ALL"
        ):
            record = self.chunk[file_no]
            record.accepted += count
            record.duplicates -= count
            record.days[day.isoformat()] = count
        for file_no, count in self._rows("SELECT file_no, count(*) FROM other_content GROUP BY ALL"):
            self.chunk[file_no].other_content = count
        for file_no, day in self._rows(
            "SELECT file_no, day FROM incoming WHERE known UNION "
            "SELECT file_no, old_day FROM replaced ORDER BY ALL"
        ):
            if day.isoformat() not in self.chunk[file_no].days:
                self.chunk[file_no].also.append(day.isoformat())

    def _moved(self) -> dict[str, int]:
        """Return how events accepted earlier in this call move between dates, and store the new ones."""
        moved: dict[str, int] = {}
        for old, new, count in self._rows(
            "SELECT old_day, new_day, count(*) FROM replaced SEMI JOIN accepted USING (rid) GROUP BY ALL"
        ):
            moved[old.isoformat()] = moved.get(old.isoformat(), 0) - count
            moved[new.isoformat()] = moved.get(new.isoformat(), 0) + count
        self.connection.execute("INSERT INTO accepted SELECT rid FROM incoming WHERE NOT known")
        return moved

    def _rebuild(self, writer: store.Writer, base: store.Snapshot) -> tuple[dict[date, store.Day], set[date]]:
        """Write the files of every date that the merge changes. Return all dates, and these."""
        days = dict(base.days)
        touched, _added = self._changed()
        for done, day in enumerate(touched):
            self.progress(Progress("merge", done, len(touched)))
            old = days.pop(day, None)
            view_events(self.connection, "current_day", base, [old] if old else [])
            rebuilt = write_day(self.connection, writer, day, old, _SQL["day"])
            if rebuilt:
                days[day] = rebuilt
        self.progress(Progress("merge", len(touched), len(touched)))
        return days, set(touched)

    def _keep_duplicates(self, writer: store.Writer, base: store.Snapshot) -> dict[date, str]:
        """Write the duplicates of every date that has new ones. Return the files of all dates."""
        duplicates = dict(base.duplicates)
        for (day,) in self._rows("SELECT DISTINCT day FROM beaten ORDER BY 1"):
            known = [base.path(duplicates[day])] if day in duplicates else []
            engine.view(self.connection, "known_duplicates", EVENTS, known)
            duplicates[day] = writer.new_file("duplicates", day)
            relation = self.connection.sql(_SQL["duplicates"], params={"day": day})
            engine.write_relation(relation, writer.path(duplicates[day]))
            store._step("duplicates written")
        return duplicates

    def _rows(self, query: str) -> list[tuple]:  # type: ignore[type-arg]
        return self.connection.execute(query).fetchall()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        # A file that has disappeared is refused when its turn comes.
        return 0


def write_day(
    connection: duckdb.DuckDBPyConnection,
    writer: store.Writer,
    day: date,
    old: store.Day | None,
    query: str,
    part: str = "",
) -> store.Day | None:
    """Write the events that a query selects for `$day`, and their activity. Return None without any."""
    events = writer.new_file("events", day, part)
    engine.write_relation(connection.sql(query, params={"day": day}), writer.path(events))
    store._step("events written")
    rows = pq.read_metadata(writer.path(events)).num_rows
    if not rows:
        return None
    activity = writer.new_file("activity", day, part)
    write_activity(connection, writer.path(events), writer.path(activity))
    store._step("activity written")
    kept = (old.leads, old.leads_fingerprint, old.leads_source) if old else (None, None, None)
    return store.Day(events, activity, rows, *kept, has_deliveries=True)


def require_timezone(state: store.Snapshot, timezone: str) -> None:
    """Raise ActivityError when the store was built with another time zone."""
    if state.timezone not in (None, timezone):
        raise ActivityError(
            "the activity store was built with the time zone %(built)s, not %(zone)s: its dates would change",
            built=state.timezone,
            zone=timezone,
        )
