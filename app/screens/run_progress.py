"""What the page of a background run shows and polls: its state, progress and the time left."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from app import labels
from app.jobs.requested import OPEN
from app.lib import clock
from app.models import RunStatus


def progress_of(row: Any, running: Any, summary: Callable[[Any], str]) -> dict[str, Any]:
    """Return what the page of a run shows: ``running`` until it is over, ``summary`` when it is done."""
    return {
        "status": row.status,
        "status_text": labels.word(labels.RUN_STATUS, row.status),
        "progress": row.progress,
        "summary": _state(row, running, summary),
        "details": _time_left(row),
        "done": row.status not in OPEN,
    }


def _state(row: Any, running: Any, summary: Callable[[Any], str]) -> str:
    if row.status == RunStatus.FAILED:
        return str(row.error or "")
    if row.status == RunStatus.CANCELLED:
        return _("Cancelled. No results were kept.")
    return summary(row) if row.status == RunStatus.DONE else str(running)


def _time_left(row: Any) -> str:
    if row.status != RunStatus.RUNNING or not row.started_at or not row.progress:
        return ""
    spent = (clock.now() - row.started_at).total_seconds()
    minutes = math.ceil(spent * (100 - row.progress) / row.progress / 60)
    return ngettext("about %(num)s minute left", "about %(num)s minutes left", minutes)
