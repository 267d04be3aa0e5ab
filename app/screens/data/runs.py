"""Presentation of T+1 runs: their steps, their result and the files that they could not take."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from sqlalchemy import select

from app import labels
from app.console import formats, people
from app.errors import Said
from app.extensions import db
from app.models import JobRun, RunStatus

STEP = {
    "ingest": lazy_gettext("Read log files"),
    "activity": lazy_gettext("Derive activity"),
    "completeness": lazy_gettext("Check completeness"),
    "evaluate": lazy_gettext("Evaluate rules"),
    "retention": lazy_gettext("Delete expired events"),
    "push": lazy_gettext("Trigger push scheduling"),
}


def run_summary(run: JobRun) -> str:
    """Return the result of a run in one line."""
    counts = run.counts or {}
    if run.status == RunStatus.QUEUED:
        return _reason_to_wait()
    if run.status == RunStatus.FAILED and run.error:
        return run.error.text()
    if run.status == RunStatus.HELD:
        return _("; ").join(filter(None, [held_reason(run), _waiting(counts)]))
    created = sum(counts.get("hits", {}).get("created", {}).values())
    refreshed = sum(counts.get("hits", {}).get("refreshed", {}).values())
    if "hits" not in counts:
        return ""
    done = _("%(created)s new hits, %(refreshed)s still met", created=created, refreshed=refreshed)
    refused, others = counts.get("ingest", {}).get("files_refused", 0), counts.get("other_days", {})
    differing = counts.get("ingest", {}).get("other_content", 0)
    return _("; ").join(
        filter(
            None,
            [
                done,
                _("refused files: %(n)s", n=refused) if refused else "",
                _waiting(counts),
                _("other dates changed: %(n)s", n=len(others)) if others else "",
                _("duplicates with other content: %(n)s", n=f"{differing:,}") if differing else "",
                _("withdrawn files: %(n)s", n=counts["withdrawn"]) if counts.get("withdrawn") else "",
            ],
        )
    )


def _reason_to_wait() -> str:
    """Return what a queued run waits for; days are run one after another."""
    day = db.session.scalar(select(JobRun.day).where(JobRun.status == RunStatus.RUNNING).limit(1))
    if day:
        return _("Waits until the run of %(day)s, which is in progress, has ended.", day=day)
    return _("Waiting for the background worker; you may close this page.")


def _waiting(counts: dict[str, Any]) -> str:
    waiting = counts.get("waiting", [])
    return _("files still arriving: %(n)s", n=len(waiting)) if waiting else ""


def waiting_files(run: JobRun) -> Markup:
    """Return the files that were still arriving when the run read the inbox."""
    return formats.lines(
        Markup("<code>{}</code>").format(name) for name in (run.counts or {}).get("waiting", [])
    )


def stuck_files(run: JobRun) -> Markup:
    """Return the files that were read but could not be moved out of the inbox."""
    return formats.lines(
        Markup("<code>{}</code>").format(name) for name in (run.counts or {}).get("stuck", [])
    )


def other_days(run: JobRun) -> Markup:
    """Return the other dates whose data the run's files changed."""
    return formats.lines(
        (
            Markup("{} · {}").format(day, _("%(n)s calls accepted", n=f"{calls:,}"))
            for day, calls in (run.counts or {}).get("other_days", {}).items()
        ),
        many=True,
    )


def earlier_runs(run: JobRun) -> Markup:
    """Return the results of the day's earlier runs, newest first, one line each."""
    return formats.lines(_earlier(each) for each in reversed((run.counts or {}).get("former", [])))


def _earlier(record: dict[str, Any]) -> Markup:
    error = Said.of_json(record["error"]) if record["error"] else None
    run = JobRun(status=record["status"], error=error, counts=record["counts"])
    parts = [
        formats.when(dt.datetime.fromisoformat(record["finished_at"])),
        people.shown(record["requested_by"]),
        labels.word(labels.RUN_STATUS, record["status"]),
        run_summary(run),
    ]
    return Markup(" · ").join(part for part in parts if part)


def held_reason(run: JobRun) -> str:
    """Return why the run is held until somebody releases it."""
    day = (run.counts or {}).get("day", {})
    if not day.get("arrived"):
        return _("No data arrived for this day, so it was not evaluated.")
    return _(
        "Only %(arrived)s events arrived; a usual day has %(usual)s. The day was not evaluated.",
        arrived=f"{day['arrived']:,}",
        usual=f"{day.get('usual') or 0:,}",
    )


def progress_of(run: JobRun) -> dict[str, Any]:
    """Return what the page of a run shows and polls; ``steps`` lists every step in order, done or not."""
    done = {step["name"]: step["status"] for step in run.steps or []}
    return {
        "status": run.status,
        "status_text": labels.word(labels.RUN_STATUS, run.status),
        "progress": run.progress,
        "summary": run_summary(run),
        "steps": [_step(name, done.get(name, "waiting")) for name in STEP],
        "done": run.status not in (RunStatus.QUEUED, RunStatus.RUNNING),
    }


def _step(name: str, status: str) -> dict[str, str]:
    return {
        "name": name,
        "status": status,
        "text": labels.word(STEP, name),
        "status_text": labels.word(labels.STEP_STATUS, status),
    }
