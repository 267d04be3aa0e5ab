"""Back-tests as rows: asked for by a person, made by a worker, cancelled at any moment."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import current_app
from flask_babel import force_locale
from sqlalchemy import func, select, update

from app.activity import store
from app.errors import DomainError
from app.extensions import db
from app.jobs.leases import Held, check_attempts
from app.jobs.table import OPEN, JobTable, recording_failure
from app.leads.cube import activity_root
from app.lib import clock
from app.models import Backtest, RuleVersion, RunStatus, Staff
from app.rules import backtest
from app.rules.backtest import Trial
from app.rules.versions import check_conditions, rule_def
from config import Settings

JOBS = JobTable(Backtest, "app.jobs.backtests.run")
#: how many back-tests of one person may be under way
MAX_OPEN = 3


def request_backtest(version: RuleVersion, trial: Trial, who: str) -> Backtest:
    """Ask for a back-test of a version. Commits and nudges a worker.

    Raises DomainError for a version that says nothing, a trial that can't be made, and when the person has
    MAX_OPEN back-tests under way.
    """
    check_conditions(version)
    definition = rule_def(version)
    backtest.check(definition, trial, yesterday(), days_with_events())
    if JOBS.count_open(who) >= MAX_OPEN:
        raise DomainError("You have %(n)s back-tests under way. Wait until one is done.", n=MAX_OPEN)
    row = Backtest(
        version_id=version.id,
        digest=backtest.digest(definition),
        first_day=trial.first,
        last_day=trial.last,
        days_after=trial.days_after,
        condition=trial.condition,
        requested_by=who,
    )
    db.session.add(row)
    db.session.commit()
    JOBS.nudge(row.id)
    return row


def trial_of(row: Backtest) -> Trial:
    """What the back-test tries."""
    return Trial(row.first_day, row.last_day, row.days_after, row.condition)


def proposed(days_after: int = 14) -> Trial:
    """A sensible trial: 30 days with events, early enough for their outcomes where there is data that old."""
    days = days_with_events() or [yesterday()]
    settled = days[-1] - dt.timedelta(days=days_after)
    last = settled if settled - days[0] >= dt.timedelta(days=6) else days[-1]
    return Trial(max(last - dt.timedelta(days=29), days[0]), last, days_after)


def cancel(row: Backtest) -> None:
    """Stop a back-test that waits or is made; the worker notices within a query. Raises DomainError."""
    stopped = (
        update(Backtest)
        .where(Backtest.id == row.id, Backtest.status.in_(OPEN))
        .values(status=RunStatus.CANCELLED, finished_at=func.now())
    )
    if db.session.execute(stopped.returning(Backtest.id)).first() is None:
        raise DomainError("This back-test is no longer under way.")


def made_of(version: RuleVersion) -> bool:
    """Whether there is any back-test of the version."""
    return (
        db.session.scalar(select(Backtest.id).where(Backtest.version_id == version.id).limit(1)) is not None
    )


def work_on(backtest_id: int) -> None:
    """Make a back-test that waits; does nothing when another worker does, or it is over."""
    with JOBS.owned(backtest_id, started_at=func.now()) as owned:
        if owned is None:
            return
        row, held = owned
        person = db.session.scalar(select(Staff).where(Staff.username == row.requested_by))
        language = person.language if person else current_app.config["BABEL_DEFAULT_LOCALE"]
        with force_locale(language), recording_failure(held, owned.fail):
            check_attempts(row.attempts)
            owned.done(**_make(row, held))


def _make(row: Backtest, held: Held) -> dict[str, Any]:
    """The columns of the back-test that is made."""
    definition, active = rule_def(row.version), row.version.rule.active_version
    in_force = rule_def(active) if active is not None and active.id != row.version_id else None
    digest = backtest.digest(definition)
    backtest.check(definition, trial_of(row), yesterday(), days_with_events())
    result = backtest.run(_settings(), definition, in_force, trial_of(row), _reporter(held))
    if active is not None and in_force is not None:
        result["active"]["number"] = active.number
    return {"result": result, "digest": digest}


def _reporter(held: Held) -> backtest.Progress:
    def report(done: int, total: int) -> None:
        held.write(progress=min(99, done * 100 // total))

    return report


def yesterday() -> dt.date:
    """The last complete local day."""
    return clock.today() - dt.timedelta(days=1)


def days_with_events() -> list[dt.date]:
    """The local dates that have events, ascending."""
    return store.days(store.snapshot(activity_root(_settings())))


def _settings() -> Settings:
    found: Settings = current_app.config["SETTINGS"]
    return found
