"""The nightly statement: contacts against the rules, which are to be none, counted from the rows.

It is a row of ``contact_statement``, whose trigger writes one entry into the change log, sealed with the
others. A contact that passed while the guard (``app.outreach.guard``) was away is counted.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from flask import current_app
from sqlalchemy import func, or_, select, text

from app.extensions import db
from app.lib import clock
from app.models import ContactStatement

#: days that are made up for after an outage
MOST_DAYS = 31
_MAKE = text((Path(__file__).parent / "sql" / "statement.sql").read_text("utf-8"))
#: the statements that are not as they are to be
BROKEN = or_(
    ContactStatement.outside_hours > 0, ContactStatement.over_cap > 0, ContactStatement.opted_out > 0
)


def due(now: dt.datetime) -> list[dt.date]:
    """Return the days that are over and have no statement, from the last one on."""
    yesterday = clock.today(now) - dt.timedelta(days=1)
    last = db.session.scalar(select(func.max(ContactStatement.day)))
    first = (
        yesterday if last is None else max(last + dt.timedelta(days=1), yesterday - dt.timedelta(MOST_DAYS))
    )
    return [first + dt.timedelta(days=n) for n in range((yesterday - first).days + 1)]


def make(now: dt.datetime) -> int:
    """Make the statements that are due, committing each. Return their number."""
    days, zone = due(now), current_app.config["SETTINGS"].zone
    for day in days:
        begins, ends = (
            dt.datetime.combine(each, dt.time(), zone) for each in (day, day + dt.timedelta(days=1))
        )
        db.session.execute(_MAKE, {"day": day, "begins": begins, "ends": ends})
        db.session.commit()
    return len(days)
