"""One round: everything that people should look at now is asked for, kept, and closed when it is over."""

from __future__ import annotations

import datetime as dt

from app.extensions import db
from app.jobs.locks import Lock, try_lock
from app.reminders import due_hits, failures, requests
from app.reminders.notice import Notice, close_all_but, keep


def go_round(now: dt.datetime) -> int:
    """Bring the reminders up to what is stored; how many rang. Commits.

    What the ticker calls; a second one at the same time passes.
    """
    if not try_lock(db.session(), Lock.REMINDERS):
        db.session.rollback()
        return 0
    found: list[Notice] = [*due_hits.notices(now), *requests.notices(now), *failures.notices(now)]
    count = keep(found, now)
    close_all_but(found, now)
    db.session.commit()
    return count
