"""Doing a T+1 run: its steps, each safe to repeat, under a lease."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import func

from app import installation
from app.activity import store
from app.activity.errors import ActivityError
from app.activity.progress import Progress
from app.errors import DomainError
from app.extensions import db
from app.jobs.leases import Held, check_attempts
from app.jobs.nudges import nudge_once
from app.jobs.table import recording_failure
from app.leads.cube import activity_root, prepare, window
from app.lib import clock
from app.models import JobRun, RunStatus
from app.rules.evaluate import evaluate_days
from app.rules.versions import active_versions, rule_def
from app.t1 import inbox
from app.t1.completeness import completeness
from app.t1.deliveries import (
    clear_inbox,
    figures,
    ignored,
    ingest_logs,
    names,
    other_days,
    read_by,
)
from app.t1.runs import RUNS, settings

STEPS = ("ingest", "activity", "completeness", "evaluate", "retention", "push")
#: Share of the progress bar that is done when the step begins.
BEGINS_AT = {"ingest": 0, "activity": 50, "completeness": 65, "evaluate": 70, "retention": 97, "push": 99}


def execute(run_id: int) -> None:
    """Do the run if it waits or lost its worker; its row tells steps, progress, counts and error.

    Raises MismatchError, and leaves the run to another worker, when DATA_DIR isn't the database's: its inbox
    would be another one.
    """
    installation.check(db.engine, settings())
    with RUNS.hold(db.engine, run_id, started_at=func.now()) as held:
        if held is None:
            return
        run = db.session.get_one(JobRun, run_id, populate_existing=True)
        work = _Run(held, run.day, run.force, dict(run.counts or {}))
        db.session.expunge(run)
        db.session.rollback()
        with recording_failure(held, work.fail):
            check_attempts(run.attempts)
            try:
                work.do()
            except ActivityError as error:
                raise DomainError(error.message, **error.values) from error


class _Run:
    """A run at work. ``counts`` are those that it has, after a worker that fell silent that worker's too."""

    def __init__(self, held: Held, day: dt.date, force: bool, counts: dict[str, Any]) -> None:
        self.held = held
        self.day = day
        self.force = force
        self.steps: list[dict[str, Any]] = []
        self.counts = counts
        self.percent = 0

    def do(self) -> None:
        """All steps in order; a day whose data is incomplete is held before it is evaluated."""
        self.step("ingest", self.ingest)
        self.step("activity", self.activity)
        if not self.step("completeness", self.complete):
            self.held.end(status=RunStatus.HELD, note="incomplete", progress=self.percent)
            return
        self.step("evaluate", self.evaluate)
        self.step("retention", self.retention)
        self.step("push", self.push)
        self.held.end(status=RunStatus.DONE, progress=100, error=None, note=None)

    def step(self, name: str, work: Any) -> Any:
        """Run one step and keep its start, end and counts on the row."""
        entry: dict[str, Any] = {"name": name, "status": "running", "started_at": _now()}
        self.steps.append(entry)
        self.percent = BEGINS_AT[name]
        self.held.write(steps=self.steps, progress=self.percent)
        result = work()
        entry |= {"status": "done", "finished_at": _now()}
        self.held.write(steps=self.steps, counts=self.counts)
        return result

    def report(self, done: int, total: int) -> None:
        """Move the bar within the present step."""
        name = self.steps[-1]["name"]
        later = [BEGINS_AT[step] for step in STEPS if BEGINS_AT[step] > BEGINS_AT[name]] or [100]
        percent = BEGINS_AT[name] + (later[0] - BEGINS_AT[name]) * done // max(total, 1)
        if percent > self.percent:
            self.percent = percent
            self.held.write(progress=percent)

    def fail(self, error: DomainError) -> None:
        """End the run with an error that a person can read."""
        if self.steps:
            self.steps[-1] |= {"status": "failed", "finished_at": _now()}
        self.held.end(status=RunStatus.FAILED, error=error.said, steps=self.steps, counts=self.counts)

    # -- the steps ---------------------------------------------------------------------------
    def ingest(self) -> None:
        """Read what lies complete in the inbox."""
        source = self.counts.setdefault("source", uuid.uuid4().hex)
        self.held.write(counts=self.counts)
        look = inbox.look(settings())
        result = ingest_logs(settings(), look.complete, self._read, source=source, listed=True)
        records = read_by(settings(), source)
        self.counts |= figures(settings(), records, result, look, self.counts)
        self.counts |= {
            "ignored": ignored(settings()),
            "waiting": names(settings(), look.waiting),
            "other_days": other_days(records, self.day),
        }
        # Where a refused file went is stored before it goes there.
        self.held.write(counts=self.counts)
        self.counts["stuck"] = clear_inbox(settings(), result, self.counts["refused"], look)
        del self.counts["skipped"]

    def _read(self, progress: Progress) -> None:
        share = {"read": 0, "merge": 50}.get(progress.step)
        if share is not None:
            self.report(share + 50 * progress.done // max(progress.total, 1), 100)

    def activity(self) -> None:
        """Bring the lead activity of every window of the day up to date."""
        widths = [c.window_days for v in active_versions() for c in rule_def(v).conditions]
        prepare(settings(), window(self.day, max(widths, default=1)))

    def complete(self) -> bool:
        """Whether the day may be evaluated."""
        found = completeness(store.snapshot(activity_root(settings())), self.day)
        self.counts["day"] = {"arrived": found.arrived, "usual": found.usual, "complete": found.complete}
        return found.complete or self.force

    def evaluate(self) -> None:
        """Evaluate every active rule and make hits."""
        found = evaluate_days(settings(), self.day, self.day, progress=self.report)
        self.counts["hits"] = found[self.day.isoformat()]

    def retention(self) -> None:
        """Delete events older than they may be kept."""
        oldest = self.day - dt.timedelta(days=settings().events_retention_days)
        store.drop_days_before(activity_root(settings()), oldest)

    def push(self) -> None:
        """Have schedules looked at: a slot that is due takes the new hits now, any other when it comes."""
        nudge_once("push", "app.jobs.push.make")


def _now() -> str:
    return clock.now().isoformat(timespec="seconds")
