"""Queue ``default``: the work that takes too long for the ticker, most of it daily.

A failure is stored as one of the ticker's step that asked for the work, by the function's name.
"""

from __future__ import annotations

from collections.abc import Callable

from app import retention as retention_period
from app.errors import N_, DomainError
from app.extensions import db
from app.facts import subject
from app.jobs import health
from app.jobs.context import job_context
from app.jobs.nudges import nudge
from app.lib import clock
from app.lib.settings import current_settings
from app.outreach import statement
from app.rules import control_group as universal
from app.rules import conversions as by_outcomes


def ask(work: Callable[[int], None]) -> None:
    """Ask a worker for one of the functions below. Raises DomainError when Redis doesn't answer."""
    if not nudge("default", f"{work.__module__}.{work.__name__}", 0):
        raise DomainError(N_("Redis did not answer."))


def facts(_nothing: int) -> None:
    """Delete facts past their days kept, and merge the files that deliveries have left."""
    _run("facts", lambda: subject.purge(db.engine, current_settings()))


def control_group(_nothing: int) -> None:
    """Draw the year's universal control group among the leads there are."""
    _run("control_group", lambda: universal.draw(current_settings()))


def conversions(_nothing: int) -> None:
    """Count the conversions of hits again after the conversion days have changed."""
    _run("conversions", by_outcomes.recount)


def contact_statement(_nothing: int) -> None:
    """Count the contacts of the days that are over, and put the statements into the change log."""
    _run("contact_statement", lambda: statement.make(clock.now()))


def retention(_nothing: int) -> None:
    """Delete personal data past its retention period."""
    _run("retention", lambda: retention_period.personal_data(db.engine, current_settings(), clock.now()))


def _run(step: str, work: Callable[[], object]) -> None:
    with job_context(step):
        try:
            work()
        except Exception as error:
            db.session.rollback()
            health.record_failure(step, error, clock.now())
            raise
        health.record_recovery(step, clock.now())
