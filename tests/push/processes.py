"""Tickers and workers for tests that kill them: a parent process forks one for each line it reads.

``python -m tests.push.processes CLOCK_FILE``; a line is ``ticker`` or ``worker``, the answer the child's pid.
Their time runs as the clock file says (see ``VirtualClock``); leases and limits are shortened to match.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import sys
import time
from pathlib import Path

from flask import Flask
from redis.exceptions import RedisError

from app import create_app
from app.channels.base import Limits
from app.channels.webhook import Webhook
from app.extensions import db
from app.jobs.nudges import nudge_once
from app.jobs.worker import work
from app.lib import clock
from app.push import deliver, outbox
from app.push.tick import tick
from app.schedules import windows
from tests.clock import now

SPEED = 30
LEASE_SECONDS = 5
SECONDS = 1.5
TICK_SECONDS = 0.3


class VirtualClock:
    """A settable clock that runs SPEED times as fast as the real one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def set(self, virtual: dt.datetime) -> None:
        """Set the time, replacing the file atomically."""
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps([now().timestamp(), virtual.timestamp()]))
        part.replace(self.path)

    def now(self) -> dt.datetime:
        """Return the current virtual time."""
        real, virtual = json.loads(self.path.read_text())
        return dt.datetime.fromtimestamp(virtual + (now().timestamp() - real) * SPEED, dt.UTC)


def shorten(path: Path) -> None:
    """Make the product run in virtual time, with leases and time limits short enough for a test."""
    clock.now = VirtualClock(path).now
    outbox.DELIVERIES.seconds = LEASE_SECONDS
    Webhook.limits = Limits(hits=3, seconds=SECONDS)
    # A request is under way for as long as in real life, but its clock runs faster.
    windows.UNDER_WAY = dt.timedelta(seconds=SPEED * 2)
    deliver.PUT_BACK = dt.timedelta(seconds=SPEED)
    deliver.MAX_PAUSE_SECONDS = 3.0


def ticker() -> None:
    """Run the ticker's step for pushes forever."""
    while True:
        tick(clock.now())
        if deliver.due(clock.now()):
            nudge_once("push", "app.jobs.push.run")
        db.session.remove()
        time.sleep(TICK_SECONDS)


def worker() -> None:
    """Serve the queue, and start again when Redis is down, as the supervisor would."""
    while True:
        with contextlib.suppress(RedisError, OSError, Exception):
            work("push")
        time.sleep(0.3)


def child(app: Flask, kind: str) -> None:
    """Run as a ticker or a worker until killed."""
    os.setsid()
    os.dup2(2, 1)  # the parent's answers are alone on standard output
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with app.app_context():
        db.engine.dispose(close=False)
        {"ticker": ticker, "worker": worker}[kind]()


def say(line: str) -> None:
    """Answer the test."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Fork a process for each line read."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    app = create_app()
    shorten(Path(sys.argv[1]))
    say("ready")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                child(app, line.strip())
            finally:
                os._exit(1)
        say(str(pid))


if __name__ == "__main__":
    main()
