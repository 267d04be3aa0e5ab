"""The periodic check that creates new reminders and closes those that no longer hold."""

from __future__ import annotations

import datetime as dt

from app.extensions import db
from app.jobs.locks import Lock, try_lock
from app.reminders import devices, due_hits, failures, requests
from app.reminders.notice import Notice, close_ended, store


def run_checks(now: dt.datetime) -> int:
    """Update the reminders from the tables and commit. Return the number that rang.

    Called by the ticker; a concurrent call does nothing.
    """
    if not try_lock(db.session(), Lock.REMINDERS):
        db.session.rollback()
        return 0
    current: list[Notice] = [
        each for check in (due_hits, requests, failures, devices) for each in check.notices(now)
    ]
    count = store(current, now)
    close_ended(current, now)
    db.session.commit()
    return count
