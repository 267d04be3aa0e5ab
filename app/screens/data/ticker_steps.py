"""Notes above the list of runs about regular tasks that fail, and about those that recovered."""

from __future__ import annotations

import datetime as dt

from flask_babel import gettext as _

from app import labels
from app.jobs import health
from app.jobs.ticker import STEPS
from app.lib import clock
from app.models import TickerStep

WORDS = {step.name: step.label for step in STEPS}


def notes() -> list[str]:
    """Return a sentence for each failing or recovered task."""
    return [_note(step) for step in health.failing_or_recovered(clock.now())]


def _note(step: TickerStep) -> str:
    name = str(WORDS.get(step.name, step.name))
    if step.failing_since is None:
        return _("%(task)s: recovered at %(when)s.", task=name, when=_moment(step.last_ok_at))
    return _(
        "%(task)s: failing since %(when)s (%(n)s times). %(error)s",
        task=name,
        when=_moment(step.failing_since),
        n=step.failures,
        error=step.last_error,
    )


def _moment(moment: dt.datetime | None) -> str:
    return f"{labels.local(moment):%Y-%m-%d %H:%M}" if moment else ""
