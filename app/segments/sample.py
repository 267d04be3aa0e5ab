"""A sample of the lead list, for estimates of numbers that take too long to count exactly."""

from __future__ import annotations

import random
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Integer, column, func, select, text, true, values
from sqlalchemy.orm import Session

from app.models import Lead

#: number and length of the runs of consecutive ids in a sample
_RUNS, _LENGTH = 150, 200
# The statistics of a partial index give the approximate number of live leads.
_LIVE = text("SELECT reltuples::bigint FROM pg_class WHERE relname = 'ix_lead_live_created'")


@dataclass(frozen=True)
class Sample:
    """A sample: ``of`` is its criterion on Lead, and each of its leads stands for ``factor`` leads."""

    of: ColumnElement[bool]
    factor: float

    def scaled(self, count: int) -> int:
        """Return the estimate for the whole list from a count in the sample."""
        return round(count * self.factor)


def sample(session: Session) -> Sample:
    """Return a sample of about 30,000 leads, the same until the list grows, or all of a short list."""
    highest = session.scalar(select(func.max(Lead.id))) or 0
    starts = range(1, highest + 1, _LENGTH)
    if len(starts) <= _RUNS:
        return Sample(true(), 1.0)
    run_starts = random.Random(highest).sample(starts, _RUNS)  # noqa: S311 - no secret
    runs = values(column("start", Integer), name="runs").data([(start,) for start in run_starts])
    ids = select(func.generate_series(runs.c.start, runs.c.start + _LENGTH - 1))
    of = Lead.id.in_(ids)
    sampled = session.scalar(select(func.count()).select_from(Lead).where(of, Lead.deleted_at.is_(None))) or 0
    live = session.scalar(_LIVE) or 0
    return Sample(of, live / sampled if sampled and live > sampled else 1.0)
