"""Which steps of the ticker fail, since when, and which went well again."""

from __future__ import annotations

import datetime as dt
import logging

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.errors import N_, DomainError, Said
from app.extensions import db
from app.models import TickerStep

#: how long a recovery is shown
NEWS = dt.timedelta(days=1)

log = logging.getLogger(__name__)


def failing() -> list[TickerStep]:
    """The steps that failed the last time, the longest failing first."""
    query = select(TickerStep).where(TickerStep.failing_since.is_not(None))
    return list(db.session.scalars(query.order_by(TickerStep.failing_since)))


def troubled(now: dt.datetime) -> list[TickerStep]:
    """The steps that fail, and those that went well again lately."""
    lately = TickerStep.last_ok_at > now - NEWS
    query = select(TickerStep).where(or_(TickerStep.failing_since.is_not(None), lately))
    return list(db.session.scalars(query.order_by(TickerStep.failing_since, TickerStep.name)))


def note_failure(name: str, error: Exception, now: dt.datetime) -> None:
    """Store that a step failed. Commits."""
    said = error.said if isinstance(error, DomainError) else _first_line(error)
    row = {"name": name, "failing_since": now, "failures": 1, "last_error": said}
    kept = {
        "failing_since": func.coalesce(TickerStep.failing_since, now),
        "failures": TickerStep.failures + 1,
        "last_error": said,
    }
    db.session.execute(
        insert(TickerStep).values(row).on_conflict_do_update(index_elements=["name"], set_=kept)
    )
    db.session.commit()


def _first_line(error: Exception) -> Said:
    line = str(error).splitlines()[0] if str(error) else ""
    return Said(N_("%(kind)s: %(why)s"), {"kind": type(error).__name__, "why": line})


def note_recovery(name: str, now: dt.datetime) -> None:
    """Store that a step went well if it had failed. Commits."""
    well = {"failing_since": None, "failures": 0, "last_ok_at": now}
    failed = (TickerStep.name == name, TickerStep.failing_since.is_not(None))
    if db.session.execute(update(TickerStep).where(*failed).values(**well)).rowcount:  # type: ignore[attr-defined]
        log.warning("step %s of the ticker went well again", name)
    db.session.commit()
