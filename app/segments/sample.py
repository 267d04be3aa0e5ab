"""A sample of the lead list, for numbers that would take longer than a person waits."""

from __future__ import annotations

import random
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Integer, column, func, select, text, true, values
from sqlalchemy.orm import Session

from app.models import Lead

#: so many runs of neighbouring ids of this length
_RUNS, _LENGTH = 150, 200
# A partial index knows about how many live leads there are.
_LIVE = text("SELECT reltuples::bigint FROM pg_class WHERE relname = 'ix_lead_live_created'")


@dataclass(frozen=True)
class Sample:
    """``of`` is a criterion on Lead; what is counted in the sample stands for ``factor`` times as many."""

    of: ColumnElement[bool]
    factor: float

    def scaled(self, count: int) -> int:
        """About how many of the whole list the number in the sample stands for."""
        return round(count * self.factor)


def sample(session: Session) -> Sample:
    """A sample of some 30,000 leads, the same until the list grows; the whole of a short list."""
    highest = session.scalar(select(func.max(Lead.id))) or 0
    starts = range(1, highest + 1, _LENGTH)
    if len(starts) <= _RUNS:
        return Sample(true(), 1.0)
    chosen = random.Random(highest).sample(starts, _RUNS)  # noqa: S311 - no secret
    runs = values(column("start", Integer), name="runs").data([(start,) for start in chosen])
    ids = select(func.generate_series(runs.c.start, runs.c.start + _LENGTH - 1))
    of = Lead.id.in_(ids)
    seen = session.scalar(select(func.count()).select_from(Lead).where(of, Lead.deleted_at.is_(None))) or 0
    live = session.scalar(_LIVE) or 0
    return Sample(of, live / seen if seen and live > seen else 1.0)
