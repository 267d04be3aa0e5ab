"""Health of the ticker's steps: failures and recoveries."""

from __future__ import annotations

import datetime as dt
import logging

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.errors import N_, DomainError, Said
from app.extensions import db
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
    message = error.said if isinstance(error, DomainError) else _first_line(error)
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


def _first_line(error: Exception) -> Said:
    line = str(error).splitlines()[0] if str(error) else ""
    return Said(N_("%(kind)s: %(why)s"), {"kind": type(error).__name__, "why": line})


def record_recovery(name: str, now: dt.datetime) -> None:
    """Store the recovery of a step that had failed, and commit."""
    values = {"failing_since": None, "failures": 0, "last_ok_at": now}
    failed = (TickerStep.name == name, TickerStep.failing_since.is_not(None))
    if db.session.execute(update(TickerStep).where(*failed).values(**values)).rowcount:  # type: ignore[attr-defined]
        log.warning("step %s of the ticker recovered", name)
    db.session.commit()
