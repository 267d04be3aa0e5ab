"""Ingest of call logs: files are checked outside the store's lock, then merged and committed under it."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from itertools import accumulate
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from app.activity import checks, engine, store
from app.activity.cube import EVENTS, write_activity
from app.activity.errors import ActivityError, RefusedFile
from app.activity.formats.files import find_files, fingerprint
from app.activity.progress import Progress, silent
from app.activity.rejects import write_rejects
from app.activity.result import FileRecord, IngestResult
from app.activity.settings import EngineSettings

# Each chunk is committed separately: large enough to rarely rewrite a date, small enough to lose little in a
# crash.
CHUNK_FILES = 1000
CHUNK_BYTES = 4 << 30
ALREADY_KNOWN = "the same content was delivered before"
_SQL = {name: (Path(__file__).parent / "sql" / f"{name}.sql").read_text("utf-8") for name in ("merge", "day")}


def ingest(
    root: Path,
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
    with ExitStack() as stack:
        scratch = stack.enter_context(store.workspace(root))
        store._step("workspace made")
        settings = EngineSettings(memory_limit=memory_limit, threads=threads)
        connection = stack.enter_context(engine.connect(settings, scratch / "spill", timezone=timezone))
        checks.prepare(connection, now or datetime.now(UTC))
        return _Ingest(root, connection, timezone, source, progress, listed).run(files)


class _Ingest:
    """One call of `ingest`: files are checked in memory, spilled when it is full, and committed in chunks."""

    def __init__(
        self,
        root: Path,
        connection: duckdb.DuckDBPyConnection,
        timezone: str,
        source: str,
        progress: Callable[[Progress], None],
        listed: bool,
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
        _require_timezone(state, timezone)
        self.known = {record["digest"] for record in store.deliveries(state)}

    def run(self, files: Sequence[Path]) -> IngestResult:
        """Check and commit the files. Return their result."""
        sizes = [_size(file) for file in files]
        total = sum(sizes)
        for path, done in zip(files, accumulate(sizes, initial=0), strict=False):
            self.progress(Progress("read", done, total))
            self._check(path)
            if (
                len(self.chunk) >= CHUNK_FILES
                or sum(file.size for file in self.chunk.values()) >= CHUNK_BYTES
            ):
                self._commit_chunk()
        self.progress(Progress("read", total, total))
        self._commit_chunk()
        return self.result

    def _check(self, path: Path) -> None:
        file_no = len(self.result.files)
        try:
            if self.listed and path.is_symlink():
                raise RefusedFile("it is a link, and links in the inbox are not followed")
            file = fingerprint(path)
            if file.digest in self.known:
                record = FileRecord(path, "skipped", ALREADY_KNOWN, digest=file.digest, size=file.size)
            else:
                checks.load(self.connection, file_no, file)
                self.known.add(file.digest)
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
            _require_timezone(writer.state, self.timezone)
            self._skip_known(writer.state)
            if self.chunk:
                self._merge(writer)
        checks.clear(self.connection)
        self.chunk = {}

    def _skip_known(self, state: store.Snapshot) -> None:
        """Skip files whose content another ingest has committed since they were checked."""
        known = {record["digest"] for record in store.deliveries(state)}
        for file_no, record in list(self.chunk.items()):
            if record.digest in known:
                record.status, record.reason = "skipped", ALREADY_KNOWN
                self.connection.execute("DELETE FROM checked WHERE file_no = ?", [file_no])
                del self.chunk[file_no]

    def _merge(self, writer: store.Writer) -> None:
        connection = self.connection
        existing = [self.root / day.events for day in writer.state.days.values()]
        engine.view(connection, "existing", EVENTS, existing)
        connection.execute(_SQL["merge"])
        self._count()
        for file_no, record in self.chunk.items():
            if record.rejected:
                record.rejects_file = write_rejects(connection, self.root, file_no, record)
        store._step("rejects written")
        days = self._rebuild(writer)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        records = [record.as_journal(writer.version, now, self.source) for record in self.chunk.values()]
        moved = self._moved()
        writer.commit(days, records, timezone=self.timezone)
        self.result.moved.update(moved)

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

    def _rebuild(self, writer: store.Writer) -> dict[date, store.Day]:
        """Write the files of every date that the merge changes. Return all dates of the new state."""
        days = dict(writer.state.days)
        touched = self._rows("SELECT day FROM incoming UNION SELECT old_day FROM replaced ORDER BY 1")
        for done, (day,) in enumerate(touched):
            self.progress(Progress("merge", done, len(touched)))
            rebuilt = self._rebuild_day(writer, day, days.pop(day, None))
            if rebuilt:
                days[day] = rebuilt
        self.progress(Progress("merge", len(touched), len(touched)))
        return days

    def _rebuild_day(self, writer: store.Writer, day: date, old: store.Day | None) -> store.Day | None:
        engine.view(self.connection, "current_day", EVENTS, [self.root / old.events] if old else [])
        events = writer.new_file("events", day)
        relation = self.connection.sql(_SQL["day"], params={"day": day})
        engine.write_relation(relation, self.root / events)
        store._step("events written")
        rows = pq.read_metadata(self.root / events).num_rows
        if not rows:
            return None
        activity = writer.new_file("activity", day)
        write_activity(self.connection, self.root / events, self.root / activity)
        store._step("activity written")
        kept = (old.leads, old.leads_fingerprint, old.leads_source) if old else (None, None, None)
        return store.Day(events, activity, rows, *kept)

    def _rows(self, query: str) -> list[tuple]:  # type: ignore[type-arg]
        return self.connection.execute(query).fetchall()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        # A file that has disappeared is refused when its turn comes.
        return 0


def _require_timezone(state: store.Snapshot, timezone: str) -> None:
    if state.timezone not in (None, timezone):
        raise ActivityError(
            "the activity store was built with the time zone %(built)s, not %(zone)s: its dates would change",
            built=state.timezone,
            zone=timezone,
        )
