"""One round: everything that people should look at now is asked for, kept, and closed when it is over."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func, select

from app.extensions import db
from app.reminders import due_hits, failures, requests
from app.reminders.notice import Notice, close_all_but, keep

ROUND_LOCK = 7023


def go_round(now: dt.datetime) -> int:
    """Bring the reminders up to what is stored; how many rang. Commits.

    What the ticker calls; a second one at the same time passes.
    """
    if not db.session.scalar(select(func.pg_try_advisory_xact_lock(ROUND_LOCK))):
        db.session.rollback()
        return 0
    found: list[Notice] = [*due_hits.notices(now), *requests.notices(now), *failures.notices(now)]
    count = keep(found, now)
    close_all_but(found, now)
    db.session.commit()
    return count
