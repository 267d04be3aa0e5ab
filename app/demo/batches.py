"""Times of the demo's import batches, which are all made at once."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import update

from app.extensions import db
from app.lib import clock
from app.lib.settings import current_settings
from app.models import ImportBatch

#: time of day at which the bank's systems deliver, and how long an import takes
AT, TAKES = dt.time(6, 10), dt.timedelta(seconds=20)


def backdate(batch: int | None, day: dt.date) -> None:
    """Set the times of a finished import to a local date, and commit."""
    ended = min(dt.datetime.combine(day, AT, current_settings().zone) + TAKES, clock.now())
    values = {"created_at": ended - TAKES, "finished_at": ended}
    db.session.execute(update(ImportBatch).where(ImportBatch.id == batch).values(values))
    db.session.commit()
