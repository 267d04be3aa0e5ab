"""Execution of a T+1 run under a lease, in steps that are safe to repeat."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from app import installation
from app.activity import store
from app.activity.errors import ActivityError
from app.activity.progress import Progress
from app.errors import DomainError
from app.extensions import db
from app.facts import subject as fact_subject
from app.jobs.leases import Held, check_attempts
from app.jobs.nudges import nudge_once
from app.jobs.requested import recording_failure
from app.leads.cube import activity_root, prepare, window
from app.lib import clock
from app.lib.settings import current_settings
from app.models import JobRun, RunStatus
from app.rules.versions import active_versions, rule_def
from app.rules.withdrawals import evaluate_days
from app.t1 import inbox
from app.t1.completeness import completeness
from app.t1.deliveries import (
    clear_inbox,
    display_names,
    ignored_files,
    ingest_counts,
    ingest_logs,
    other_days,
    records_of_source,
)
from app.t1.runs import RUNS

STEPS = ("ingest", "activity", "completeness", "evaluate", "retention", "push")
#: percent of the progress bar that is done when a step begins
BEGINS_AT = {"ingest": 0, "activity": 50, "completeness": 65, "evaluate": 70, "retention": 97, "push": 99}


def execute(run_id: int) -> None:
    """Execute a run that waits or has lost its worker. Its row records steps, progress, counts and error.

    Raises MismatchError, and leaves the run to another worker, when DATA_DIR doesn't belong to the database.
    """
    installation.check(db.engine, current_settings())
    with RUNS.hold(db.engine, run_id, started_at=clock.BEGAN) as held:
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
    """A run in progress. ``counts`` include those of an earlier worker that died."""

    def __init__(self, held: Held, day: dt.date, force: bool, counts: dict[str, Any]) -> None:
        self.held = held
        self.day = day
        self.force = force
        self.steps: list[dict[str, Any]] = []
        self.counts = counts
        self.percent = 0

    def do(self) -> None:
        """Run all steps in order. A day with incomplete data is held before it is evaluated."""
        self.step("ingest", self.ingest)
        self.step("activity", self.activity)
        if not self.step("completeness", self.check_completeness):
            self.held.end(status=RunStatus.HELD, note="incomplete", progress=self.percent)
            return
        self.step("evaluate", self.evaluate)
        self.step("retention", self.retention)
        self.step("push", self.push)
        self.held.end(status=RunStatus.DONE, progress=100, error=None, note=None)

    def step(self, name: str, work: Any) -> Any:
        """Run a step, recording its start, end and counts on the row. Return its result."""
        entry: dict[str, Any] = {"name": name, "status": "running", "started_at": _now()}
        self.steps.append(entry)
        self.percent = BEGINS_AT[name]
        self.held.write(steps=self.steps, progress=self.percent)
        result = work()
        entry |= {"status": "done", "finished_at": _now()}
        self.held.write(steps=self.steps, counts=self.counts)
        return result

    def report(self, done: int, total: int) -> None:
        """Store the progress within the present step."""
        name = self.steps[-1]["name"]
        later = [BEGINS_AT[step] for step in STEPS if BEGINS_AT[step] > BEGINS_AT[name]] or [100]
        percent = BEGINS_AT[name] + (later[0] - BEGINS_AT[name]) * done // max(total, 1)
        if percent > self.percent:
            self.percent = percent
            self.held.write(progress=percent)

    def fail(self, error: DomainError) -> None:
        """End the run with an error."""
        if self.steps:
            self.steps[-1] |= {"status": "failed", "finished_at": _now()}
        self.held.end(status=RunStatus.FAILED, error=error.said, steps=self.steps, counts=self.counts)

    # -- the steps ---------------------------------------------------------------------------
    def ingest(self) -> None:
        """Ingest the complete files of the inbox."""
        source = self.counts.setdefault("source", uuid.uuid4().hex)
        self.held.write(counts=self.counts)
        scan = inbox.scan(current_settings())
        result = ingest_logs(
            current_settings(), scan.complete, self._report_ingest, source=source, listed=True
        )
        records = records_of_source(current_settings(), source)
        self.counts |= ingest_counts(current_settings(), records, result, scan, self.counts)
        self.counts |= {
            "ignored": ignored_files(current_settings()),
            "waiting": display_names(current_settings(), scan.waiting),
            "other_days": other_days(records, self.day),
        }
        # The new place of a refused file is stored before the file is moved.
        self.held.write(counts=self.counts)
        self.counts["stuck"] = clear_inbox(current_settings(), result, self.counts["refused"], scan)
        del self.counts["skipped"]

    def _report_ingest(self, progress: Progress) -> None:
        share = {"read": 0, "merge": 50}.get(progress.step)
        if share is not None:
            self.report(share + 50 * progress.done // max(progress.total, 1), 100)

    def activity(self) -> None:
        """Update the lead activity of the widest window that the active rules have."""
        widths = [c.window_days for v in active_versions() for c in rule_def(v).conditions]
        prepare(current_settings(), window(self.day, max(widths, default=1)))

    def check_completeness(self) -> bool:
        """Return whether the day may be evaluated."""
        result = completeness(store.snapshot(activity_root(current_settings())), self.day)
        self.counts["day"] = {"arrived": result.arrived, "usual": result.usual, "complete": result.complete}
        return result.complete or self.force

    def evaluate(self) -> None:
        """Evaluate every active rule, which creates and refreshes hits."""
        days = evaluate_days(current_settings(), self.day, self.day, progress=self.report)
        self.counts["hits"] = days[self.day.isoformat()]

    def retention(self) -> None:
        """Delete events and facts past their retention period, and merge the facts delivered since."""
        oldest = self.day - dt.timedelta(days=current_settings().events_retention_days)
        store.drop_days_before(activity_root(current_settings()), oldest)
        fact_subject.purge(db.engine, current_settings())

    def push(self) -> None:
        """Trigger push scheduling, so that a slot that is due takes the new hits."""
        nudge_once("push", "app.jobs.push.make")


def _now() -> str:
    return clock.now().isoformat(timespec="seconds")
