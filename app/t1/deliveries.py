"""Ingest as the rest of the product sees it: the journal's copy in the database, the catalogue, the inbox."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.activity import query, store
from app.activity.formats.files import find_others, shown
from app.activity.ingest import ingest
from app.activity.progress import Progress, silent
from app.activity.result import FileRecord, IngestResult
from app.extensions import db
from app.lead_activity import activity_root, engine_settings
from app.leads.masking import mask_ids
from app.models import IngestFile
from app.rules.catalogue import date_first_seen, note_unlisted
from app.t1 import institution_days
from config import Settings

#: A refused file written to within these seconds may still be on its way in and stays in the inbox.
STILL_ARRIVING_SECONDS = 120
#: file names that a run keeps of what it passed over
MOST_IGNORED = 50


def ingest_logs(
    settings: Settings, paths: Sequence[Path], progress: Callable[[Progress], None] = silent
) -> IngestResult:
    """Ingest log files and bring the database's copy of the journal and the catalogue up to date.

    Safe to repeat after a crash at any point: what a crash left out is made up for by the next call.
    """
    result = ingest(
        activity_root(settings),
        paths,
        timezone=settings.timezone,
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
    return mask_ids(shown(name))[-512:]


def inbox(settings: Settings) -> Path:
    """Where the provider's files are put."""
    path = settings.data_dir / "inbox"
    path.mkdir(parents=True, exist_ok=True)
    return path


def refusals(settings: Settings, result: IngestResult) -> list[dict[str, Any]]:
    """What a run keeps of each refused file of the inbox: ``name``, ``reason``, ``kept``.

    ``kept`` is where ``clear_inbox`` puts it below ``quarantine/``, None while it stays in the inbox because
    it may still be arriving. It follows from the content, so that a crash and a repetition change nothing.
    """
    return [
        {
            "name": _short_name(record.path, settings),
            "reason": record.reason,
            "kept": _place_in_quarantine(record.path, settings),
        }
        for record in result.files
        if record.status == "refused"
    ]


def _place_in_quarantine(path: Path, settings: Settings) -> str | None:
    try:
        if time.time() - path.stat().st_mtime < STILL_ARRIVING_SECONDS:
            return None
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
    known = Path(_short_name(path, settings))
    return str(known.with_name(f"{digest[:16]}-{known.name[-200:]}"))


def ignored(settings: Settings) -> list[str]:
    """Files in the inbox that are passed over because their names don't end like a call log's."""
    return [_short_name(path, settings) for path in find_others(inbox(settings))][:MOST_IGNORED]


def clear_inbox(settings: Settings, result: IngestResult, refused: Sequence[dict[str, Any]]) -> None:
    """Move what was read to ``delivered/``, keeping sub-folders, and what was refused to its ``kept``.

    ``refused`` is what ``refusals`` said, stored by the caller before.
    """
    root = inbox(settings)
    kept = iter(refused)
    for record in result.files:
        place = next(kept)["kept"] if record.status == "refused" else ""
        path = record.path
        if place is not None and path.is_file() and path.is_relative_to(root):
            _move(path, _target(settings, record, path.relative_to(root), place))
    for folder_path, _folders, _files in os.walk(root, topdown=False):
        if folder_path != str(root) and not os.listdir(folder_path):
            os.rmdir(folder_path)


def _target(settings: Settings, record: FileRecord, name: Path, place: str) -> Path:
    if record.status == "refused":
        return settings.data_dir / "quarantine" / place
    target = settings.data_dir / "delivered" / name
    return target.with_name(f"{time.time_ns()}-{target.name}") if target.exists() else target


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, target)
