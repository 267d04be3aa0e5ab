"""Background jobs on the change log: verification, and exports of entries with a proof."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import literal_column, select, text

from app.access.rights import holds
from app.audit import checkpoints
from app.audit.chain import ENTRY_HASH, GENESIS, UTC
from app.audit.verify import verify
from app.errors import DomainError
from app.extensions import db
from app.jobs.leases import Held, check_attempts
from app.jobs.requested import OPEN, JobTable, recording_failure
from app.lib import clock
from app.lib.settings import current_settings
from app.lib.spreadsheet import csv_lines
from app.models import AuditJob, ChangeLog, ChangeSeal, Staff
from app.selection import Selection
from config import Settings

JOBS = JobTable(AuditJob, "app.jobs.audit.run")
VIEW = "ChangeLogView"
PERMISSIONS = {"verify": ("can_verify", "AuditJobView"), "export": ("can_export_log", VIEW)}
ROWS_AT_ONCE = 2000
ENTRIES_FILE, PROOF_FILE = "change-log.csv", "proof.json"
COLUMNS = (
    *("id", "time", "actor", "source", "address", "request", "kind", "object", "object_id", "title", "rows"),
    *("digest", "changes", "xid", "db_user"),
)
HASHES = ("entry_hash", "previous_hash", "chain_hash")
EXPLANATION = (
    "chain_hash = SHA-256(previous_hash + entry_hash), entry_hash = SHA-256(canonical JSON of the entry); an"
    " entry without chain_hash was not sealed yet. Compare the head with the checkpoints kept outside the"
    " database."
)
_LINK = text("""
    SELECT seq, entries, hashes FROM change_seal
    WHERE floor_id = (SELECT max(floor_id) FROM change_seal WHERE floor_id < :id) AND to_xid > :xid
    ORDER BY to_xid LIMIT 1
""")


def request_job(kind: str, selection: Selection) -> AuditJob:
    """Request a verification, or an export of the selected entries, and commit. Return the job.

    Raises DomainError when the user already has a job of this kind under way.
    """
    user = selection.user.username
    same = (AuditJob.requested_by == user, AuditJob.kind == kind, AuditJob.status.in_(OPEN))
    if db.session.scalar(select(AuditJob.id).where(*same).limit(1)):
        raise DomainError("You already have a job of this kind under way. Wait until it has finished.")
    job = AuditJob(kind=kind, filters=selection.as_json(), requested_by=user)
    db.session.add(job)
    db.session.commit()
    JOBS.nudge(job.id)
    return job


def file_of(job: AuditJob) -> Path | None:
    """Return the file of a finished export, None when there is none or it has been deleted."""
    path = folder(current_settings()) / job.file if job.file else None
    return path if path is not None and path.is_file() else None


def folder(settings: Settings) -> Path:
    """Return the folder of exports of the log."""
    return settings.data_dir / "audit" / "exports"


def work_on(job_id: int) -> None:
    """Carry out a waiting job. Do nothing when another worker has it or it has ended."""
    with JOBS.owned(job_id) as owned:
        if owned is None:
            return
        job, held = owned
        with recording_failure(held, owned.fail):
            check_attempts(job.attempts)
            done = _verify(job, held) if job.kind == "verify" else _export(job, held)
            owned.done(**done)


def _verify(job: AuditJob, held: Held) -> dict[str, Any]:
    _requester(job)
    verdict = verify(db.engine, current_settings(), _Reporter(held))
    return {"result": verdict.as_json(), "rows_done": verdict.entries}


def _export(job: AuditJob, held: Held) -> dict[str, Any]:
    query = Selection.of_json(ChangeLog, job.filters, _requester(job)).query()
    settings, reporter = current_settings(), _Reporter(held)
    verdict = verify(db.engine, settings)
    proof: dict[str, Any] = {"made_by": job.requested_by, "made_at": _now(), "filters": job.filters}
    name = f"{uuid.uuid4().hex}.zip"
    folder(settings).mkdir(parents=True, exist_ok=True, mode=0o700)
    part = folder(settings) / f"{name}.part"
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as package:
            proof |= _write_entries(package, query, reporter)
            newest = checkpoints.newest(settings)
            proof |= {
                "chain": verdict.as_json(),
                "checkpoint": asdict(newest) if newest else None,
                "how": EXPLANATION,
            }
            package.writestr(PROOF_FILE, json.dumps(proof, ensure_ascii=False, indent=2))
        part.chmod(0o600)
        part.replace(folder(settings) / name)
    finally:
        part.unlink(missing_ok=True)
    return {"result": proof, "file": name, "rows_done": proof["entries"]}


def _write_entries(package: zipfile.ZipFile, query: Any, reporter: _Reporter) -> dict[str, Any]:
    """Write the entries in the order of the chain. Return the part of the proof about them."""
    total, digest = query.count(), hashlib.sha256()
    summary: dict[str, Any] = {"entries": 0, "first_id": None, "last_id": None, "not_sealed": 0}
    links = _Links()
    with package.open(ENTRIES_FILE, "w") as raw:

        def put(text: str) -> None:
            digest.update(text.encode())
            raw.write(text.encode())

        put("\ufeff")
        put(*csv_lines([[*COLUMNS, *HASHES]]))
        for entry, own_hash in _entries(query):
            previous, chain_hash = links.hashes_of(entry)
            put(*csv_lines([[*_cells(entry), own_hash.hex(), previous, chain_hash]]))
            summary["entries"] += 1
            summary["first_id"] = summary["first_id"] or entry.id
            summary["last_id"] = entry.id
            summary["not_sealed"] += not chain_hash
            reporter(summary["entries"], total)
    return summary | {"csv_sha256": digest.hexdigest()}


def _entries(query: Any) -> Iterator[tuple[ChangeLog, bytes]]:
    db.session.execute(UTC)
    ordered = query.order_by(None).order_by(ChangeLog.xid, ChangeLog.id)
    rows = ordered.add_columns(literal_column(ENTRY_HASH).label("own_hash"))
    for entry, own_hash in rows.yield_per(ROWS_AT_ONCE):
        yield entry, bytes(own_hash)
        db.session.expunge(entry)


def _cells(entry: ChangeLog) -> list[str]:
    cells = {name: getattr(entry, name) for name in COLUMNS}
    cells["time"] = entry.time.astimezone(dt.UTC).isoformat()
    cells["changes"] = json.dumps(entry.changes, ensure_ascii=False)
    return ["" if cell is None else str(cell) for cell in cells.values()]


class _Links:
    """Looks up the chain's hashes for entries that come in the order of the chain."""

    def __init__(self) -> None:
        self._hashes: dict[int, tuple[str, str]] = {}

    def hashes_of(self, entry: ChangeLog) -> tuple[str, str]:
        """Return the chain's hashes before and after an entry, empty for one that is not sealed."""
        if entry.id not in self._hashes:
            self._read(entry)
        return self._hashes.get(entry.id, ("", ""))

    def _read(self, entry: ChangeLog) -> None:
        link = link_of(entry)
        if link is None:
            return
        hashes = [link.hashes[start : start + 32].hex() for start in range(0, len(link.hashes), 32)]
        before = db.session.scalar(select(ChangeSeal.head).where(ChangeSeal.seq == link.seq - 1))
        first = bytes(before if before is not None else GENESIS).hex()
        pairs = zip([first, *hashes], hashes, strict=False)
        self._hashes = dict(zip(link.entries, pairs, strict=False))


def link_of(entry: ChangeLog) -> Any | None:
    """Return ``seq``, ``entries`` and ``hashes`` of an entry's link, None while it is not sealed."""
    link = db.session.execute(_LINK, {"id": entry.id, "xid": entry.xid}).first()
    return link if link is not None and entry.id in link.entries else None


def _requester(job: AuditJob) -> Staff:
    """Return the user who requested a job. Raises DomainError when they no longer have the permission."""
    user = db.session.scalar(select(Staff).where(Staff.username == job.requested_by))
    if user is None or not user.active or not holds(user, *PERMISSIONS[job.kind]):
        raise DomainError("The person who requested this no longer has the permission it needs.")
    return user


class _Reporter:
    """Stores the progress of a job, at most once a second."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.written = 0.0

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self.written >= 1:
            self.written = time.monotonic()
            percent = min(99, done * 100 // max(total, 1))
            self.held.write(progress=percent, rows_done=done, rows_total=total)


def _now() -> str:
    return clock.now().isoformat(timespec="seconds")
