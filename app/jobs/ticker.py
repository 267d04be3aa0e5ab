"""The ticker: wakes, starts what is due, sleeps. All truth is in the database, so two may run."""

from __future__ import annotations

import datetime as dt
import logging
import threading

from flask import current_app

from app.extensions import db
from app.jobs import nudge
from app.leads.batches import fail_abandoned
from app.leads.uploads import waiting
from app.t1 import runs

log = logging.getLogger(__name__)


def run_forever(stop: threading.Event, every: float) -> None:
    """Tick until ``stop`` is set; an error in one tick is logged and the next one tries again."""
    while not stop.is_set():
        try:
            tick(dt.datetime.now(dt.UTC))
        except Exception:
            log.exception("a tick failed; the next one tries again")
        finally:
            db.session.remove()
        stop.wait(every)


def tick(now: dt.datetime) -> None:
    """Start what is due at ``now``, once."""
    runs.tick(now)
    for batch_id in waiting():
        nudge("import", "app.jobs.imports.run", batch_id)
    fail_abandoned(db.engine, current_app.config["SETTINGS"])
