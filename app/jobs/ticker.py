"""The ticker: starts what is due, at each tick. All its state is in the database, so two may run."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from flask_babel import LazyString, lazy_gettext
from sqlalchemy.exc import SQLAlchemyError

from app import approvals, audit_jobs, bulk, reminders
from app.audit import partitions
from app.exports import jobs as exports
from app.extensions import db
from app.hits import assignment, counts, due
from app.jobs import daily, health, processes
from app.jobs.nudges import nudge, nudge_once
from app.journeys import canary, simulations
from app.journeys import execution as journeys
from app.leads import suppression
from app.leads.batches import fail_abandoned
from app.leads.upload_worker import waiting
from app.leads.uploads import discard_forgotten
from app.lib import clock
from app.lib.settings import current_settings
from app.mails import queue as mails
from app.outreach import statement
from app.outreach import tick as outreach
from app.push import deliver
from app.push import tick as pushes
from app.reminders import digest
from app.reports import plan as reports
from app.rules import backtest_jobs, conversions
from app.schedules import calendar
from app.t1 import corrections, runs

log = logging.getLogger(__name__)


class Step(NamedTuple):
    """A task of the ticker, run at each tick or once a day.

    Each step has a transaction of its own. A failure is logged, shown on screen under ``label``, and does not
    stop the other steps.
    """

    name: str
    label: LazyString
    run: Callable[[dt.datetime], object]
    daily: bool = False


def run_forever(stop: threading.Event, every: float) -> None:
    """Tick until ``stop`` is set."""
    done: dict[str, dt.date] = {}
    while not stop.is_set():
        try:
            now = clock.now()
        except SQLAlchemyError as error:
            log.warning("no tick: the database does not answer: %s", type(error).__name__)
        else:
            tick(now, done)
        db.session.remove()
        stop.wait(every)


def tick(now: dt.datetime, done: dict[str, dt.date] | None = None) -> None:
    """Run the steps that are due at ``now`` once.

    ``done`` holds the dates on which daily steps last succeeded; without it daily steps are skipped.
    """
    for step in STEPS:
        if step.daily and (done is None or done.get(step.name) == now.date()):
            continue
        if _run(step, now) and step.daily and done is not None:
            done[step.name] = now.date()
    processes.ticked(now)


def _run(step: Step, now: dt.datetime) -> bool:
    """Run a step and store its failure or recovery. Return whether it succeeded."""
    try:
        step.run(now)
        db.session.commit()
    except Exception as error:
        log.exception("step %s of the ticker failed; the next tick tries again", step.name)
        _store(partial(health.record_failure, step.name, error, now))
        return False
    _store(partial(health.record_recovery, step.name, now))
    return True


def _store(write: Callable[[], None]) -> None:
    """Store how a step went; when the database is away, only log it."""
    db.session.rollback()
    try:
        write()
    except Exception as error:  # noqa: BLE001 - the database is away, which the steps have logged
        db.session.rollback()
        log.warning("the result of a step could not be stored: %s", type(error).__name__)


def _deliveries(now: dt.datetime) -> None:
    if deliver.due(now):
        nudge_once("push", "app.jobs.push.run")


def _journeys(now: dt.datetime) -> None:
    if journeys.due(now):
        nudge_once("outreach", "app.jobs.journeys.run")


def _mails(now: dt.datetime) -> None:
    if mails.has_due(now):
        mails.nudge()


def _imports(now: dt.datetime) -> None:
    for batch_id in waiting():
        nudge("import", "app.jobs.imports.run", batch_id)


def _partitions(_now: dt.datetime) -> None:
    with db.engine.begin() as connection:
        partitions.ensure(connection, clock.unmoved(connection))


def _calendar(_now: dt.datetime) -> None:
    with db.engine.begin() as connection:
        calendar.fill(connection)


def _conversions(_now: dt.datetime) -> None:
    """Ask a worker to count conversions again while those of hits follow former days."""
    if conversions.recounting():
        daily.ask(daily.conversions)


def _statement(now: dt.datetime) -> None:
    if statement.due(now):
        daily.ask(daily.contact_statement)


STEPS = (
    Step("t1", lazy_gettext("Starting T+1 runs"), runs.tick),
    Step("pushes", lazy_gettext("Creating pushes"), pushes.tick),
    Step("deliveries", lazy_gettext("Sending deliveries"), _deliveries),
    Step("imports", lazy_gettext("Queued imports"), _imports),
    Step(
        "abandoned_imports",
        lazy_gettext("Interrupted imports"),
        lambda now: fail_abandoned(db.engine, current_settings()),
    ),
    Step("forgotten_uploads", lazy_gettext("Abandoned uploads"), discard_forgotten),
    Step(
        "suppressions",
        lazy_gettext("Expiry of do-not-disturb entries"),
        lambda now: suppression.expire(db.engine, clock.today(now)),
    ),
    Step("approvals", lazy_gettext("Expiry of requests"), approvals.expire),
    Step("assignment", lazy_gettext("Assigning hits"), assignment.auto_assign),
    Step("escalation", lazy_gettext("Escalating overdue hits"), due.escalate),
    Step("counts", lazy_gettext("Counting hits"), lambda now: counts.fold()),
    Step("exports", lazy_gettext("Queued exports"), lambda now: exports.JOBS.nudge_all()),
    Step(
        "log_corrections",
        lazy_gettext("Approved corrections of log deliveries"),
        lambda now: corrections.tick(),
    ),
    Step("bulk_changes", lazy_gettext("Queued bulk changes of leads"), lambda now: bulk.JOBS.nudge_all()),
    Step("backtests", lazy_gettext("Queued back-tests"), lambda now: backtest_jobs.JOBS.nudge_all()),
    Step(
        "simulations",
        lazy_gettext("Queued simulations of journeys"),
        lambda now: simulations.JOBS.nudge_all(),
    ),
    Step(
        "change_log_jobs",
        lazy_gettext("Queued change log jobs"),
        lambda now: audit_jobs.JOBS.nudge_all(),
    ),
    Step("reports", lazy_gettext("Weekly reports"), reports.tick),
    Step("outreach", lazy_gettext("Queued outreach"), outreach.tick),
    Step("contact_statement", lazy_gettext("Statement of contacts"), _statement),
    Step("journeys", lazy_gettext("Customers in journeys"), _journeys),
    Step("canaries", lazy_gettext("Guardrails of versions tried out"), canary.watch),
    Step("reminders", lazy_gettext("Reminders"), reminders.run_checks),
    Step("reminder_mails", lazy_gettext("Reminders by e-mail"), digest.collect),
    Step("mails", lazy_gettext("Sending e-mails"), _mails),
    Step("conversions", lazy_gettext("Counting conversions again"), _conversions),
    # The T+1 run does the same; this is for days without one.
    Step(
        "facts",
        lazy_gettext("Deleting old facts and merging their files"),
        lambda now: daily.ask(daily.facts),
        daily=True,
    ),
    Step(
        "control_group",
        lazy_gettext("Drawing the universal control group"),
        lambda now: daily.ask(daily.control_group),
        daily=True,
    ),
    Step(
        "change_log_months",
        lazy_gettext("Preparing the coming months of the change log"),
        _partitions,
        daily=True,
    ),
    Step(
        "calendar",
        lazy_gettext("Filling the calendar of public holidays ahead"),
        _calendar,
        daily=True,
    ),
    Step(
        "retention",
        lazy_gettext("Deleting expired data"),
        lambda now: daily.ask(daily.retention),
        daily=True,
    ),
)
