"""Ingest of deliveries: copies the journal to the database, extends the catalogue and empties the inbox."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.activity import store
from app.activity.errors import RefusedFile
from app.activity.formats.files import find_others, open_file, read_parts
from app.activity.progress import Progress, silent
from app.activity.result import FileRecord, IngestResult
from app.errors import Said
from app.extensions import db
from app.leads.cube import activity_root, engine_settings
from app.leads.masking import mask_ids
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.spreadsheet import printable_name
from app.models import IngestFile, JobRun
from app.rules.catalogue import add_unlisted, date_first_seen
from app.t1 import institution_days, runs
from app.t1.inbox import MARKER, InboxScan, inbox_folder, mark_taken, markers_of, track_moved
from config import Settings

if TYPE_CHECKING:
    from app.activity import ingest as engine
    from app.activity import query
else:
    engine = lazy("app.activity.ingest")
    query = lazy("app.activity.query")


log = logging.getLogger(__name__)
#: names of ignored files that a run keeps
MAX_IGNORED = 50


def ingest_logs(
    settings: Settings,
    paths: Sequence[Path],
    progress: Callable[[Progress], None] = silent,
    *,
    source: str = "",
    listed: bool = False,
) -> IngestResult:
    """Ingest log files, then update the database's copy of the journal and the catalogue. Return the result.

    The journal keeps ``source``, by which a run finds the files it read. Held runs of days that got data are
    queued again. A missing path is refused when ``listed``, and otherwise an error. Safe to repeat after a
    crash at any point: the next call completes what the crash left out.
    """
    result = engine.ingest(
        activity_root(settings),
        paths,
        timezone=settings.timezone,
        now=clock.now(),
        source=source,
        listed=listed,
        memory_limit=settings.activity_memory,
        progress=progress,
    )
    copy_journal(settings)
    return result


def copy_journal(settings: Settings) -> None:
    """Copy missing journal records and counts to the database, add new institutions and commit."""
    state = store.snapshot(activity_root(settings))
    # What was withdrawn and delivered again has two records; the later one counts.
    records = {record["digest"]: record for record in store.deliveries(state)}
    columns = (IngestFile.accepted, IngestFile.ingested_at, IngestFile.withdrawn_at)
    known = {digest: rest for digest, *rest in db.session.execute(select(IngestFile.digest, *columns))}
    days: set[dt.date] = set()
    for digest, record in records.items():
        row = _row(record, settings)
        if known.get(digest) != [row[column.key] for column in columns]:
            days.update(map(dt.date.fromisoformat, row["days"]))
            copied = insert(IngestFile).values(row)
            db.session.execute(copied.on_conflict_do_update(index_elements=["digest"], set_=row))
    if days:
        codes = query.institutions(state, days, settings=engine_settings(settings))
        add_unlisted(codes, min(days))
    institution_days.refresh(settings)
    date_first_seen()
    db.session.commit()
    runs.requeue_held(days)


def _row(record: dict[str, Any], settings: Settings) -> dict[str, Any]:
    withdrawn = record.get("withdrawn")
    return {
        "digest": record["digest"],
        "name": _short_name(Path(str(record["name"])), settings),
        "size_bytes": record["size"],
        "rows_read": record["rows"],
        "accepted": record["accepted"],
        "duplicates": record["duplicates"],
        "other_content": record.get("other_content", 0),
        "rejected": record["rejected"],
        "rejects_file": record["rejects_file"],
        "days": {} if withdrawn else record["days"],
        "ingested_at": dt.datetime.fromisoformat(record["time"]),
        "withdrawn_at": dt.datetime.fromisoformat(withdrawn["time"]) if withdrawn else None,
    }


def _short_name(path: Path, settings: Settings) -> str:
    """Return a file's display name: its path in the inbox, or elsewhere its folder and name."""
    root = settings.data_dir / "inbox"
    name = path.relative_to(root) if path.is_relative_to(root) else Path(*path.parts[-2:])
    return mask_ids(printable_name(name))[-512:]


def records_of_source(settings: Settings, source: str) -> list[dict[str, Any]]:
    """Return the journal's records of the files that a source has read, including before a crash.

    Files that were withdrawn since are left out.
    """
    state = store.snapshot(activity_root(settings))
    return [
        record
        for record in store.deliveries(state)
        if record.get("source") == source and "withdrawn" not in record
    ]


def ingest_counts(
    settings: Settings,
    records: Sequence[dict[str, Any]],
    result: IngestResult,
    scan: InboxScan,
    before: dict[str, Any],
) -> dict[str, Any]:
    """Return the counts of a run's files: ``ingest``, ``refused`` and, until they are moved, ``skipped``.

    ``records`` are those of the run's source. ``before`` are the counts of an earlier worker whose run this
    one took over; files that worker refused or skipped count once.
    """
    refused = {
        each["name"]: each for each in [*before.get("refused", []), *refused_files(settings, result, scan)]
    }
    own, skipped_before = {record["name"] for record in records}, set(before.get("skipped", []))
    skipped = skipped_before | {
        record.name
        for record in result.files
        if record.status == "skipped" and record.name not in own and record.path in scan.untaken
    }
    gone = before.get("ingest", {}).get("files_skipped", 0) - len(skipped_before)
    ingest = {
        "files": len(records) + len(refused) + gone + len(skipped),
        "files_skipped": gone + len(skipped),
        "files_refused": len(refused),
        **_sums(records),
    }
    return {"ingest": ingest, "refused": list(refused.values()), "skipped": sorted(skipped)}


def _sums(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    rejected: Counter[str] = Counter()
    for record in records:
        rejected.update(record["rejected"])
    names = ("rows", "accepted", "duplicates", "other_content")
    return {
        **{name: sum(record.get(name, 0) for record in records) for name in names},
        "rejected": dict(sorted(rejected.items())),
    }


def recount_runs(settings: Settings) -> None:
    """Count the files of each run anew after a correction, as if withdrawn ones had never been. Commit."""
    sources: dict[str, list[dict[str, Any]]] = defaultdict(list)
    withdrawn: Counter[str] = Counter()
    for record in store.deliveries(store.snapshot(activity_root(settings))):
        source = record.get("source", "")
        if "withdrawn" in record:
            withdrawn[source] += 1
        else:
            sources[source].append(record)
    affected = select(JobRun).where(JobRun.counts["source"].astext.in_([*sources, *withdrawn]))
    for run in db.session.scalars(affected.with_for_update()).all():
        source = run.counts["source"]
        if "ingest" not in run.counts:
            continue
        ingest, records = run.counts["ingest"], sources[source]
        former = run.counts.get("withdrawn", 0)
        counted = ingest | _sums(records) | {"files": ingest["files"] + former - withdrawn[source]}
        others = {"other_days": other_days(records, run.day)}
        run.counts = run.counts | others | {"ingest": counted, "withdrawn": withdrawn[source]}
    db.session.commit()


def other_days(records: Sequence[dict[str, Any]], day: dt.date) -> dict[str, int]:
    """Return the dates other than ``day`` that the files changed, with the accepted calls of each."""
    changed: Counter[str] = Counter()
    for record in records:
        changed.update(record["days"])
        changed.update(dict.fromkeys(record["also"], 0))
    return {name: changed[name] for name in sorted(changed) if name != day.isoformat()}


def display_names(settings: Settings, paths: Sequence[Path]) -> list[str]:
    """Return the display names of files, up to MAX_IGNORED."""
    return [_short_name(path, settings) for path in paths][:MAX_IGNORED]


def refused_files(settings: Settings, result: IngestResult, scan: InboxScan) -> list[dict[str, Any]]:
    """Return ``name``, ``reason`` and ``kept`` of each refused file of the inbox.

    ``kept`` is the path under ``quarantine/`` to which ``clear_inbox`` moves it, None for a file that stays
    in the inbox because it has changed, is a link or can't be read. The path follows from the content, so
    that repeating the work after a crash gives the same one.
    """
    return [
        {
            "name": _short_name(record.path, settings),
            "reason": Said(record.error.message, record.error.values).as_json(),
            "kept": _place_in_quarantine(record.path, settings) if scan.unchanged(record.path) else None,
        }
        for record in result.files
        if record.error is not None
    ]


def _place_in_quarantine(path: Path, settings: Settings) -> str | None:
    if path.is_symlink():
        return None
    try:
        with open_file(path) as stream:
            digest = hashlib.sha256()
            for part in read_parts(stream):
                digest.update(part)
    except RefusedFile:
        return None
    known = PurePath(_short_name(path, settings))
    # A file name may have 255 bytes.
    short = known.name.encode()[-200:].decode(errors="ignore")
    return str(known.with_name(f"{digest.hexdigest()[:16]}-{short}"))


def ignored_files(settings: Settings) -> list[str]:
    """Return the names of files in the inbox that don't end like a call log."""
    others = [path for path in find_others(inbox_folder(settings)) if path.suffix != MARKER]
    return display_names(settings, others)


def clear_inbox(
    settings: Settings, result: IngestResult, refused: Sequence[dict[str, Any]], scan: InboxScan
) -> list[str]:
    """Move read files to ``delivered/``, keeping sub-folders, and refused files to their ``kept``.

    ``refused`` is what ``ingest_counts`` returned for the same result and the caller has stored. Files that
    changed since the scan stay, and so do files that can't be moved. Return the names of the latter.
    """
    mark_taken(settings, [record.path for record in result.files])
    kept = {each["name"]: each["kept"] for each in refused}
    stuck, markers = [], set()
    for record in result.files:
        place = kept[_short_name(record.path, settings)] if record.status == "refused" else ""
        if place is None or not scan.unchanged(record.path):
            continue
        markers |= set(markers_of(record.path))
        if not _move(settings, record, place):
            stuck.append(record.path)
    for marker in markers:
        with suppress(OSError):
            marker.unlink()
    _remove_empty_folders(inbox_folder(settings))
    return display_names(settings, stuck)


def _remove_empty_folders(root: Path) -> None:
    for folder_path, _folders, _files in os.walk(root, topdown=False):
        if folder_path != str(root):
            # It is not empty, or a file has just been put into it.
            with suppress(OSError):
                os.rmdir(folder_path)


def _move(settings: Settings, record: FileRecord, place: str) -> bool:
    """Move a file out of the inbox. Return False, with a warning in the log, when that fails."""
    target = _target(settings, record, record.path.relative_to(inbox_folder(settings)), place)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(record.path, target)
    except OSError as error:
        log.warning("%s can't be moved: %s", record.name, error.strerror)
        return False
    track_moved(settings, record.path, target)
    return True


def _target(settings: Settings, record: FileRecord, name: Path, place: str) -> Path:
    if record.status == "refused":
        return settings.data_dir / "quarantine" / place
    target = settings.data_dir / "delivered" / name
    return target.with_name(f"{time.time_ns()}-{target.name[-120:]}") if target.exists() else target
