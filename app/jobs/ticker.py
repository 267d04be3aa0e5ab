"""The ticker: wakes, starts what is due, sleeps. All truth is in the database, so two may run."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from app import approvals, audit_jobs, bulk, reminders, retention
from app.audit import partitions
from app.exports import jobs as exports
from app.extensions import db
from app.hits import assignment, counts, due
from app.jobs import health, nudge, nudge_once
from app.leads import suppression
from app.leads.batches import fail_abandoned
from app.leads.upload_worker import waiting
from app.leads.uploads import discard_forgotten
from app.lib import clock
from app.mails import queue as mails
from app.outreach import tick as outreach
from app.push import deliver
from app.push import tick as pushes
from app.reminders import digest
from app.reports import plan as reports
from app.rules import backtest_jobs
from app.t1 import runs
from config import Settings

log = logging.getLogger(__name__)


class Step(NamedTuple):
    """Something the ticker does. It runs in a transaction of its own; its failure stops no other step."""

    name: str
    run: Callable[[dt.datetime], object]


def run_forever(stop: threading.Event, every: float) -> None:
    """Tick until ``stop`` is set; once a day delete what is too old."""
    done: set[tuple[str, dt.date]] = set()
    while not stop.is_set():
        try:
            now = clock.now()
        except SQLAlchemyError as error:
            log.warning("no tick: the database does not answer: %s", type(error).__name__)
        else:
            tick(now)
            due_today = [step for step in DAILY if (step.name, now.date()) not in done]
            done |= {(name, now.date()) for name in _run(due_today, now)}
        db.session.remove()
        stop.wait(every)


def tick(now: dt.datetime) -> None:
    """Start what is due at ``now``, once."""
    _run(STEPS, now)


def _run(steps: Iterable[Step], now: dt.datetime) -> list[str]:
    """Run each step; the names of those that went well."""
    well = []
    for step in steps:
        try:
            step.run(now)
            db.session.commit()
        except Exception as error:
            log.exception("step %s of the ticker failed; the next tick tries again", step.name)
            _note(partial(health.note_failure, step.name, error, now))
        else:
            well.append(step.name)
            _note(partial(health.note_recovery, step.name, now))
    return well


def _note(write: Callable[[], None]) -> None:
    """Write how a step went; without a database the log alone says it."""
    db.session.rollback()
    try:
        write()
    except Exception as error:  # noqa: BLE001 - the database is away: the steps have said so
        db.session.rollback()
        log.warning("how a step went is not stored: %s", type(error).__name__)


def _settings() -> Settings:
    found: Settings = current_app.config["SETTINGS"]
    return found


def _deliveries(now: dt.datetime) -> None:
    if deliver.due(now):
        nudge_once("push", "app.jobs.push.run")


def _mails(now: dt.datetime) -> None:
    if mails.due(now):
        mails.nudge()


def _imports(now: dt.datetime) -> None:
    for batch_id in waiting():
        nudge("import", "app.jobs.imports.run", batch_id)


def _partitions(now: dt.datetime) -> None:
    with db.engine.begin() as connection:
        partitions.ensure(connection, now)


STEPS = (
    Step("t1", runs.tick),
    Step("pushes", pushes.tick),
    Step("deliveries", _deliveries),
    Step("imports", _imports),
    Step("abandoned_imports", lambda now: fail_abandoned(db.engine, _settings())),
    Step("forgotten_uploads", discard_forgotten),
    Step("suppressions", lambda now: suppression.expire(db.engine, clock.today(now))),
    Step("approvals", approvals.expire),
    Step("assignment", assignment.hand_out),
    Step("escalation", due.escalate),
    Step("counts", lambda now: counts.fold()),
    Step("exports", lambda now: exports.JOBS.nudge_all()),
    Step("bulk_changes", lambda now: bulk.JOBS.nudge_all()),
    Step("backtests", lambda now: backtest_jobs.JOBS.nudge_all()),
    Step("change_log_jobs", lambda now: audit_jobs.JOBS.nudge_all()),
    Step("reports", reports.tick),
    Step("outreach", outreach.tick),
    Step("reminders", reminders.go_round),
    Step("reminder_mails", digest.collect),
    Step("mails", _mails),
)
DAILY = (
    Step("change_log_months", _partitions),
    Step("retention", lambda now: retention.personal_data(db.engine, _settings(), now)),
)
