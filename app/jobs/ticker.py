"""The ticker: wakes, starts what is due, sleeps. All truth is in the database, so two may run."""

from __future__ import annotations

import datetime as dt
import logging
import threading

from flask import current_app

from app import approvals, audit_jobs, paging, reminders, retention
from app.audit import partitions
from app.bulk import jobs as bulk
from app.exports import jobs as exports
from app.extensions import db
from app.hits import assignment, counts, due
from app.jobs import nudge, nudge_once
from app.leads import suppression
from app.leads.batches import fail_abandoned
from app.leads.upload_work import waiting
from app.leads.uploads import discard_forgotten
from app.outreach import tick as outreach
from app.push import deliver
from app.push import tick as pushes
from app.reminders import mails
from app.reports import plan as reports
from app.rules import trials
from app.t1 import runs

log = logging.getLogger(__name__)


def run_forever(stop: threading.Event, every: float) -> None:
    """Tick until ``stop`` is set; once a day delete what is too old.

    An error in one tick is logged and the next one tries again.
    """
    cleaned: dt.date | None = None
    while not stop.is_set():
        now = dt.datetime.now(dt.UTC)
        try:
            tick(now)
            if cleaned != now.date():
                with db.engine.begin() as connection:
                    partitions.ensure(connection, now)
                retention.personal_data(db.engine, current_app.config["SETTINGS"], now)
                cleaned = now.date()
        except Exception:
            log.exception("a tick failed; the next one tries again")
        finally:
            db.session.remove()
        stop.wait(every)


def tick(now: dt.datetime) -> None:
    """Start what is due at ``now``, once."""
    runs.tick(now)
    pushes.tick(now)
    if deliver.due(now) or mails.due(now):
        nudge_once("push", "app.jobs.push.run")
    for batch_id in waiting():
        nudge("import", "app.jobs.imports.run", batch_id)
    paging.refresh_marks()
    fail_abandoned(db.engine, current_app.config["SETTINGS"])
    discard_forgotten(now)
    suppression.expire(db.engine, runs.today(now))
    approvals.expire(now)
    assignment.hand_out(now)
    due.escalate(now)
    counts.fold()
    for jobs in (exports.JOBS, bulk.JOBS, trials.JOBS, audit_jobs.JOBS):
        jobs.nudge_all()
    reports.tick(now)
    outreach.tick(now)
    reminders.go_round(now)
    mails.collect(now)
