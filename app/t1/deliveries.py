"""Ingest as the rest of the product sees it: the journal's copy in the database, the catalogue, the inbox."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import shutil
import time
from collections import Counter
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
from app.models import IngestFile
from app.rules.catalogue import date_first_seen, note_unlisted
from app.t1 import institution_days, runs
from app.t1.inbox import MARK, Look, folder, marks_of, note_moved, note_taken
from config import Settings

if TYPE_CHECKING:
    from app.activity import ingest as engine
    from app.activity import query
else:
    engine = lazy("app.activity.ingest")
    query = lazy("app.activity.query")


log = logging.getLogger(__name__)
#: file names that a run keeps of what it passed over
MAX_IGNORED = 50


def ingest_logs(
    settings: Settings,
    paths: Sequence[Path],
    progress: Callable[[Progress], None] = silent,
    *,
    source: str = "",
    listed: bool = False,
) -> IngestResult:
    """Ingest log files and bring the database's copy of the journal and the catalogue up to date.

    The journal keeps ``source``, by which what a run read is found again; held days that got data are run
    again. Paths that are gone are refused with ``listed``, an error without.
    Safe to repeat after a crash at any point: what a crash left out is made up for by the next call.
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
    """Copy journal records and counts the database lacks, and put new institutions into the catalogue.

    Commits.
    """
    state = store.snapshot(activity_root(settings))
    known = set(db.session.scalars(select(IngestFile.digest)))
    new = [record for record in store.deliveries(state) if record["digest"] not in known]
    for record in new:
        db.session.execute(insert(IngestFile).values(_row(record, settings)).on_conflict_do_nothing())
    days = {dt.date.fromisoformat(day) for record in new for day in record["days"]}
    if days:
        codes = query.institutions(state, days, settings=engine_settings(settings))
        note_unlisted(codes, min(days))
    institution_days.refresh(settings)
    date_first_seen()
    db.session.commit()
    runs.try_held_again(days)


def _row(record: dict[str, object], settings: Settings) -> dict[str, object]:
    return {
        "digest": record["digest"],
        "name": _short_name(Path(str(record["name"])), settings),
        "size_bytes": record["size"],
        "rows_read": record["rows"],
        "accepted": record["accepted"],
        "duplicates": record["duplicates"],
        "rejected": record["rejected"],
        "rejects_file": record["rejects_file"],
        "days": record["days"],
        "ingested_at": dt.datetime.fromisoformat(str(record["time"])),
    }


def _short_name(path: Path, settings: Settings) -> str:
    """The file as people know it: below the inbox, else with its folder, without the machine's paths."""
    root = settings.data_dir / "inbox"
    name = path.relative_to(root) if path.is_relative_to(root) else Path(*path.parts[-2:])
    return mask_ids(printable_name(name))[-512:]


def inbox(settings: Settings) -> Path:
    """Where the provider's files are put."""
    return folder(settings)


def read_by(settings: Settings, source: str) -> list[dict[str, Any]]:
    """The journal's records of the files that a source has read, crashes in between included."""
    state = store.snapshot(activity_root(settings))
    return [record for record in store.deliveries(state) if record.get("source") == source]


def figures(
    settings: Settings,
    records: Sequence[dict[str, Any]],
    result: IngestResult,
    look: Look,
    before: dict[str, Any],
) -> dict[str, Any]:
    """What a run tells of its files: ``ingest``, ``refused``, and ``skipped`` until these left the inbox.

    ``records`` are those its source has read. ``before`` are the counts of a worker whose run this one took
    over: what that one refused and skipped counts, once.
    """
    refused = {each["name"]: each for each in [*before.get("refused", []), *refusals(settings, result, look)]}
    own, listed = {record["name"] for record in records}, set(before.get("skipped", []))
    skipped = listed | {
        record.name
        for record in result.files
        if record.status == "skipped" and record.name not in own and record.path in look.untaken
    }
    gone = before.get("ingest", {}).get("files_skipped", 0) - len(listed)
    rejected: Counter[str] = Counter()
    for record in records:
        rejected.update(record["rejected"])
    ingest = {
        "files": len(records) + len(refused) + gone + len(skipped),
        "files_skipped": gone + len(skipped),
        "files_refused": len(refused),
        **{name: sum(record[name] for record in records) for name in ("rows", "accepted", "duplicates")},
        "rejected": dict(sorted(rejected.items())),
    }
    return {"ingest": ingest, "refused": list(refused.values()), "skipped": sorted(skipped)}


def other_days(records: Sequence[dict[str, Any]], day: dt.date) -> dict[str, int]:
    """The dates besides ``day`` that the files changed, with the calls accepted for each."""
    changed: Counter[str] = Counter()
    for record in records:
        changed.update(record["days"])
        changed.update(dict.fromkeys(record["also"], 0))
    return {name: changed[name] for name in sorted(changed) if name != day.isoformat()}


def names(settings: Settings, paths: Sequence[Path]) -> list[str]:
    """The files as people know them, as many as a run keeps."""
    return [_short_name(path, settings) for path in paths][:MAX_IGNORED]


def refusals(settings: Settings, result: IngestResult, look: Look) -> list[dict[str, Any]]:
    """What a run keeps of each refused file of the inbox: ``name``, ``reason``, ``kept``.

    ``kept`` is where ``clear_inbox`` puts it below ``quarantine/``, None while it stays in the inbox because
    it changed since or can't be read. It follows from the content, so that a crash and a repetition change
    nothing.
    """
    return [
        {
            "name": _short_name(record.path, settings),
            "reason": Said(record.error.message, record.error.values).as_json(),
            "kept": _place_in_quarantine(record.path, settings) if look.unchanged(record.path) else None,
        }
        for record in result.files
        if record.error is not None
    ]


def _place_in_quarantine(path: Path, settings: Settings) -> str | None:
    try:
        with open_file(path) as stream:
            digest = hashlib.sha256()
            for part in read_parts(stream):
                digest.update(part)
    except RefusedFile:
        return None
    known = PurePath(_short_name(path, settings))
    # A name on disk may have 255 bytes.
    short = known.name.encode()[-200:].decode(errors="ignore")
    return str(known.with_name(f"{digest.hexdigest()[:16]}-{short}"))


def ignored(settings: Settings) -> list[str]:
    """Files in the inbox that are passed over because their names don't end like a call log's."""
    others = [path for path in find_others(inbox(settings)) if path.suffix != MARK]
    return names(settings, others)


def clear_inbox(
    settings: Settings, result: IngestResult, refused: Sequence[dict[str, Any]], look: Look
) -> list[str]:
    """Move what was read to ``delivered/``, keeping sub-folders, and what was refused to its ``kept``.

    ``refused`` is what ``figures`` said of the same result, stored by the caller before. What changed since
    ``look`` stays, and so does what can't be moved: the names of these.
    """
    note_taken(settings, [record.path for record in result.files])
    kept = {each["name"]: each["kept"] for each in refused}
    stuck, marks = [], set()
    for record in result.files:
        place = kept[_short_name(record.path, settings)] if record.status == "refused" else ""
        if place is None or not look.unchanged(record.path):
            continue
        marks |= set(marks_of(record.path))
        if not _moved(settings, record, place):
            stuck.append(record.path)
    for mark in marks:
        with suppress(OSError):
            mark.unlink()
    _remove_empty(inbox(settings))
    return names(settings, stuck)


def _remove_empty(root: Path) -> None:
    for folder_path, _folders, _files in os.walk(root, topdown=False):
        if folder_path != str(root):
            # Not empty, or something has just been put into it.
            with suppress(OSError):
                os.rmdir(folder_path)


def _moved(settings: Settings, record: FileRecord, place: str) -> bool:
    """Move a file of the inbox; False, with a warning in the log, when that fails."""
    target = _target(settings, record, record.path.relative_to(inbox(settings)), place)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(record.path, target)
    except OSError as error:
        log.warning("%s can't be moved: %s", record.name, error.strerror)
        return False
    note_moved(settings, record.path, target)
    return True


def _target(settings: Settings, record: FileRecord, name: Path, place: str) -> Path:
    if record.status == "refused":
        return settings.data_dir / "quarantine" / place
    target = settings.data_dir / "delivered" / name
    return target.with_name(f"{time.time_ns()}-{target.name[-120:]}") if target.exists() else target
