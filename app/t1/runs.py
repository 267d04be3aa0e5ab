"""T+1 runs as rows: asked for, due, held, released."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from flask import current_app
from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert

from app.errors import DomainError
from app.extensions import db
from app.jobs import nudge
from app.models import IngestFile, JobRun, RunStatus
from config import Settings

KIND = "t1"
SYSTEM = "system"
#: results of earlier runs of a day that are kept
MOST_FORMER = 30


def settings() -> Settings:
    """The settings of the app that runs."""
    found: Settings = current_app.config["SETTINGS"]
    return found


def today(now: dt.datetime | None = None) -> dt.date:
    """The local date of a moment (default: now)."""
    return settings().today(now)


def request_run(day: dt.date, who: str) -> JobRun:
    """Ask for the T+1 run of a day, again if it ran before. Commits and nudges a worker.

    Raises DomainError for a day that is not over, and while the day's run is at work.
    """
    if day >= today():
        raise DomainError("%(day)s is not over yet; T+1 runs on complete days.", day=day.isoformat())
    if day < today() - dt.timedelta(days=settings().events_retention_days):
        raise DomainError("%(day)s is longer ago than events are kept.", day=day.isoformat())
    run = _row(day, who)
    if run.status == RunStatus.RUNNING and _leased(run):
        raise DomainError("The run of %(day)s is at work already.", day=day.isoformat())
    _queue(run, who, force=False)
    return run


def release(run: JobRun, who: str) -> None:
    """Let a held run go on although its data looks incomplete. Raises DomainError when it isn't held."""
    if run.status != RunStatus.HELD:
        raise DomainError("Only a held run can be released.")
    _queue(run, who, force=True)


def tick(now: dt.datetime) -> list[int]:
    """Start yesterday's run when its time has come, and nudge every run that waits or lost its worker.

    What the ticker calls; two tickers may. Returns the runs that were nudged.
    """
    local = now.astimezone(settings().zone)
    if local.time() >= settings().t1_time:
        _row(local.date() - dt.timedelta(days=1), SYSTEM)
        db.session.commit()
    waiting = or_(
        JobRun.status == RunStatus.QUEUED,
        (JobRun.status == RunStatus.RUNNING) & (JobRun.lease_until < now),
    )
    due = list(db.session.scalars(select(JobRun.id).where(JobRun.kind == KIND, waiting).order_by(JobRun.day)))
    for run_id in due:
        nudge("t1", "app.jobs.t1.run", run_id)
    return due


def rejects_path(row: IngestFile) -> Path | None:
    """Where the rejected rows of a delivered file are, None when there are none."""
    if not row.rejects_file:
        return None
    path = settings().data_dir / "activity" / row.rejects_file
    return path if path.is_file() else None


def refused_path(run: JobRun, kept: str) -> Path | None:
    """Where a file that this run or an earlier one of its day refused is, None when it keeps none such."""
    counts = run.counts or {}
    parts = [counts, *(each["counts"] for each in counts.get("former", []))]
    known = {each["kept"] for part in parts for each in part.get("refused", []) if isinstance(each, dict)}
    path = settings().data_dir / "quarantine" / kept
    return path if kept in known and path.is_file() else None


def _row(day: dt.date, who: str) -> JobRun:
    db.session.execute(
        insert(JobRun)
        .values(kind=KIND, day=day, requested_by=who)
        .on_conflict_do_nothing(index_elements=["kind", "day"])
    )
    return db.session.scalars(
        select(JobRun).where(JobRun.kind == KIND, JobRun.day == day).with_for_update()
    ).one()


def _queue(run: JobRun, who: str, *, force: bool) -> None:
    former = _former(run)
    run.status = RunStatus.QUEUED
    run.requested_by = who
    run.force = force
    run.steps, run.progress, run.error, run.note = [], 0, None, None
    run.counts, run.started_at, run.finished_at = {"former": former} if former else {}, None, None
    db.session.commit()
    nudge("t1", "app.jobs.t1.run", run.id)


def _former(run: JobRun) -> list[dict[str, Any]]:
    """The results of the day's earlier runs, oldest first, with the one that is about to be run again."""
    counts = dict(run.counts or {})
    former: list[dict[str, Any]] = counts.pop("former", [])
    if run.finished_at is None:
        return former
    result = {name: getattr(run, name) for name in ("status", "error", "note", "requested_by")}
    return [*former, result | {"counts": counts, "finished_at": run.finished_at.isoformat()}][-MOST_FORMER:]


def _leased(run: JobRun) -> bool:
    return run.lease_until is not None and run.lease_until > dt.datetime.now(dt.UTC)
