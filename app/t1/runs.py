"""Rows of T+1 runs: requested, due, held and released."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert

from app.activity import store
from app.errors import DomainError
from app.extensions import db
from app.jobs.leases import LeasedRows
from app.jobs.nudges import nudge
from app.leads.cube import activity_root
from app.lib import clock
from app.lib.settings import current_settings
from app.models import IngestFile, JobRun, RunStatus
from app.t1 import inbox

KIND = "t1"
RUNS = LeasedRows(JobRun, waiting=RunStatus.QUEUED, working=RunStatus.RUNNING)
SYSTEM = "system"
#: results kept of earlier runs of a day
MAX_FORMER = 30


def request_run(day: dt.date, user: str) -> JobRun:
    """Queue the T+1 run of a day, again if it ran before. Commit, nudge a worker and return the run.

    Raises DomainError for a day that is not over or past retention, and while the day's run is under way.
    """
    if day >= clock.today():
        raise DomainError("%(day)s is not over yet; T+1 runs on complete days.", day=day.isoformat())
    if day < clock.today() - dt.timedelta(days=current_settings().events_retention_days):
        raise DomainError("%(day)s is older than the retention period of events.", day=day.isoformat())
    run = _locked_run(day, user)
    if run.status == RunStatus.RUNNING and not db.session.scalar(
        select(RUNS.expired()).where(JobRun.id == run.id)
    ):
        raise DomainError("The run of %(day)s is already under way.", day=day.isoformat())
    _queue(run, user, force=False)
    return run


def release(run: JobRun, user: str) -> None:
    """Queue a held run although its data looks incomplete. Raises DomainError when it isn't held."""
    if run.status != RunStatus.HELD:
        raise DomainError("Only a held run can be released.")
    _queue(run, user, force=True)


def tick(_now: dt.datetime | None = None) -> list[int]:
    """Queue yesterday's run when its time has come, and nudge every run that waits or has lost its worker.

    Called by the ticker. Several tickers may call it, as the database's clock counts. Return the nudged runs.
    """
    local = clock.now().astimezone(current_settings().zone)
    yesterday = local.date() - dt.timedelta(days=1)
    if local.time() >= current_settings().t1_time:
        _locked_run(yesterday, SYSTEM)
        db.session.commit()
    if inbox.scan(current_settings()).untaken:
        _requeue_for_new_files(yesterday)
    waiting = or_(JobRun.status == RunStatus.QUEUED, RUNS.expired())
    due = list(db.session.scalars(select(JobRun.id).where(JobRun.kind == KIND, waiting).order_by(JobRun.day)))
    db.session.commit()
    for run_id in due:
        nudge("t1", "app.jobs.t1.run", run_id)
    return due


def _requeue_for_new_files(day: dt.date) -> None:
    """Queue the day's run again for newly complete files if it is held or left incomplete files behind."""
    run = db.session.scalars(select(JobRun).where(JobRun.kind == KIND, JobRun.day == day)).one_or_none()
    if run is None or run.status not in (RunStatus.HELD, RunStatus.DONE):
        return
    if run.status == RunStatus.HELD or (run.counts or {}).get("waiting"):
        _queue(run, SYSTEM, force=run.force)


def requeue_held(days: Iterable[dt.date]) -> None:
    """Queue the held runs of these days again."""
    held = select(JobRun).where(JobRun.kind == KIND, JobRun.status == RunStatus.HELD, JobRun.day.in_(days))
    for run in db.session.scalars(held.order_by(JobRun.day)).all():
        _queue(run, SYSTEM, force=False)


def days_to_evaluate_again(run: JobRun) -> list[dt.date]:
    """Return the other dates that a run's files changed, if they can be run and have not been run since."""
    changed = [dt.date.fromisoformat(day) for day in (run.counts or {}).get("other_days", {})]
    if not changed or run.finished_at is None:
        return []
    last, first = clock.today(), clock.today() - dt.timedelta(days=current_settings().events_retention_days)
    since = or_(JobRun.status.in_((RunStatus.QUEUED, RunStatus.RUNNING)), JobRun.started_at > run.finished_at)
    done = set(
        db.session.scalars(select(JobRun.day).where(JobRun.kind == KIND, JobRun.day.in_(changed), since))
    )
    return [day for day in changed if first <= day < last and day not in done]


def evaluate_again(run: JobRun, user: str) -> list[dt.date]:
    """Queue runs of the other dates that a run's files changed, committing each. Return the dates."""
    days = days_to_evaluate_again(run)
    for day in days:
        request_run(day, user)
    return days


def rejects_path(row: IngestFile) -> Path | None:
    """Return the file of a delivered file's rejected rows, None when there is none."""
    if not row.rejects_file:
        return None
    return store.rejects_file(activity_root(current_settings()), row.rejects_file)


def refused_path(run: JobRun, kept: str) -> Path | None:
    """Return a file that this run or an earlier one of its day refused and kept, None when there is none."""
    counts = run.counts or {}
    parts = [counts, *(each["counts"] for each in counts.get("former", []))]
    known = {each["kept"] for part in parts for each in part.get("refused", [])}
    path = current_settings().data_dir / "quarantine" / kept
    return path if kept in known and path.is_file() and not path.is_symlink() else None


def _locked_run(day: dt.date, user: str) -> JobRun:
    """Return the day's run, created when it is missing, with its row locked."""
    db.session.execute(
        insert(JobRun)
        .values(kind=KIND, day=day, requested_by=user)
        .on_conflict_do_nothing(index_elements=["kind", "day"])
    )
    return db.session.scalars(
        select(JobRun).where(JobRun.kind == KIND, JobRun.day == day).with_for_update()
    ).one()


def _queue(run: JobRun, user: str, *, force: bool) -> None:
    former = _former_results(run)
    run.status = RunStatus.QUEUED
    run.requested_by = user
    run.force = force
    run.steps, run.progress, run.error, run.note, run.attempts = [], 0, None, None, 0
    run.counts, run.started_at, run.finished_at = {"former": former} if former else {}, None, None
    db.session.commit()
    nudge("t1", "app.jobs.t1.run", run.id)


def _former_results(run: JobRun) -> list[dict[str, Any]]:
    """Return the results of the day's runs so far, oldest first, including the run that is queued again."""
    counts = dict(run.counts or {})
    former: list[dict[str, Any]] = counts.pop("former", [])
    if run.finished_at is None:
        return former
    result = {name: getattr(run, name) for name in ("status", "note", "requested_by")}
    result["error"] = run.error and run.error.as_json()
    return [*former, result | {"counts": counts, "finished_at": run.finished_at.isoformat()}][-MAX_FORMER:]
