"""Back-tests as background jobs: requesting, running and cancelling them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import current_app
from flask_babel import force_locale
from sqlalchemy import select, update

from app.activity import store
from app.errors import DomainError
from app.extensions import db
from app.jobs.leases import Held, check_attempts
from app.jobs.requested import OPEN, JobTable, recording_failure
from app.leads.cube import activity_root
from app.lib import clock
from app.lib.settings import current_settings
from app.models import Backtest, RuleVersion, RunStatus, Staff
from app.rules import backtest
from app.rules.backtest import BacktestPlan
from app.rules.versions import check_conditions, rule_def

JOBS = JobTable(Backtest, "app.jobs.backtests.run")
#: back-tests in progress per user at most
MAX_OPEN = 3


def request_backtest(version: RuleVersion, plan: BacktestPlan, username: str) -> Backtest:
    """Request a back-test of a version, commit, and nudge a worker.

    Raises DomainError for a version without conditions, for an impossible plan, and when the user already
    has MAX_OPEN back-tests in progress.
    """
    check_conditions(version)
    definition = rule_def(version)
    backtest.check(definition, plan, yesterday(), days_with_events())
    if JOBS.count_open(username) >= MAX_OPEN:
        raise DomainError("You have %(n)s back-tests in progress. Wait until one has finished.", n=MAX_OPEN)
    row = Backtest(
        version_id=version.id,
        digest=backtest.digest(definition),
        first_day=plan.first,
        last_day=plan.last,
        days_after=plan.days_after,
        condition=plan.condition,
        requested_by=username,
    )
    db.session.add(row)
    db.session.commit()
    JOBS.nudge(row.id)
    return row


def plan_of(row: Backtest) -> BacktestPlan:
    """Return the plan of a back-test."""
    return BacktestPlan(row.first_day, row.last_day, row.days_after, row.condition)


def proposed(days_after: int = 14) -> BacktestPlan:
    """Return a sensible plan: 30 days with events, if possible early enough for their conversions."""
    days = days_with_events() or [yesterday()]
    settled = days[-1] - dt.timedelta(days=days_after)
    last = settled if settled - days[0] >= dt.timedelta(days=6) else days[-1]
    return BacktestPlan(max(last - dt.timedelta(days=29), days[0]), last, days_after)


def cancel(row: Backtest) -> None:
    """Cancel a waiting or running back-test; the worker notices within a query. Raises DomainError."""
    cancellation = (
        update(Backtest)
        .where(Backtest.id == row.id, Backtest.status.in_(OPEN))
        .values(status=RunStatus.CANCELLED, finished_at=clock.BEGAN)
    )
    if db.session.execute(cancellation.returning(Backtest.id)).first() is None:
        raise DomainError("This back-test is no longer in progress.")


def has_backtest(version: RuleVersion) -> bool:
    """Whether there is any back-test of the version."""
    return (
        db.session.scalar(select(Backtest.id).where(Backtest.version_id == version.id).limit(1)) is not None
    )


def work_on(backtest_id: int) -> None:
    """Run a waiting back-test. Does nothing when another worker has it or it has ended."""
    with JOBS.owned(backtest_id, started_at=clock.BEGAN) as owned:
        if owned is None:
            return
        row, held = owned
        user = db.session.scalar(select(Staff).where(Staff.username == row.requested_by))
        language = user.language if user else current_app.config["BABEL_DEFAULT_LOCALE"]
        with force_locale(language), recording_failure(held, owned.fail):
            check_attempts(row.attempts)
            owned.done(**_run(row, held))


def _run(row: Backtest, held: Held) -> dict[str, Any]:
    """Run the back-test and return its column values."""
    definition, active = rule_def(row.version), row.version.rule.active_version
    in_force = rule_def(active) if active is not None and active.id != row.version_id else None
    digest = backtest.digest(definition)
    backtest.check(definition, plan_of(row), yesterday(), days_with_events())
    result = backtest.run(current_settings(), definition, in_force, plan_of(row), _reporter(held))
    if active is not None and in_force is not None:
        result["active"]["number"] = active.number
    return {"result": result, "digest": digest}


def _reporter(held: Held) -> backtest.Progress:
    def report(done: int, total: int) -> None:
        held.write(progress=min(99, done * 100 // total))

    return report


def yesterday() -> dt.date:
    """Return the last complete local day."""
    return clock.today() - dt.timedelta(days=1)


def days_with_events() -> list[dt.date]:
    """Return the local dates that have events, ascending."""
    return store.days(store.snapshot(activity_root(current_settings())))
