"""Health of the ticker's steps: failures and recoveries."""

from __future__ import annotations

import datetime as dt
import logging

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.errors import N_, DomainError, Said
from app.extensions import db
from app.lib.database import connection_lost
from app.models import TickerStep

#: how long a recovery is shown
RECOVERY_SHOWN = dt.timedelta(days=1)

log = logging.getLogger(__name__)


def failing() -> list[TickerStep]:
    """Return the steps whose last run failed, the longest failing first."""
    query = select(TickerStep).where(TickerStep.failing_since.is_not(None))
    return list(db.session.scalars(query.order_by(TickerStep.failing_since)))


def failing_or_recovered(now: dt.datetime) -> list[TickerStep]:
    """Return the steps that fail and those that recovered within RECOVERY_SHOWN."""
    recovered = TickerStep.last_ok_at > now - RECOVERY_SHOWN
    query = select(TickerStep).where(or_(TickerStep.failing_since.is_not(None), recovered))
    return list(db.session.scalars(query.order_by(TickerStep.failing_since, TickerStep.name)))


def record_failure(name: str, error: Exception, now: dt.datetime) -> None:
    """Store the failure of a step and commit."""
    message = _said(error)
    row = {"name": name, "failing_since": now, "failures": 1, "last_error": message}
    updates = {
        "failing_since": func.coalesce(TickerStep.failing_since, now),
        "failures": TickerStep.failures + 1,
        "last_error": message,
    }
    db.session.execute(
        insert(TickerStep).values(row).on_conflict_do_update(index_elements=["name"], set_=updates)
    )
    db.session.commit()


def _said(error: Exception) -> Said:
    """Return what people read about a failure; what a library or server said stays in the log."""
    if isinstance(error, DomainError):
        return error.said
    if connection_lost(error):
        return Said(N_("The database did not answer."))
    kind = type(getattr(error, "orig", None) or error).__name__
    return Said(N_("An unexpected error (%(kind)s): see the logs of ticker and workers."), {"kind": kind})


def record_recovery(name: str, now: dt.datetime) -> None:
    """Store the recovery of a step that had failed, and commit."""
    values = {"failing_since": None, "failures": 0, "last_ok_at": now}
    failed = (TickerStep.name == name, TickerStep.failing_since.is_not(None))
    if db.session.execute(update(TickerStep).where(*failed).values(**values)).rowcount:  # type: ignore[attr-defined]
        log.warning("step %s of the ticker recovered", name)
    db.session.commit()
