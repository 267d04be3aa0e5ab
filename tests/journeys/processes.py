"""A worker of journeys for tests that kill it: a process for each time it is asked to work.

``python -m tests.journeys.processes`` forks one for each line it reads. The line is the number of the
statement at which the process kills itself, 0 for none; the answer is ``done`` or ``killed``.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys
from types import TracebackType
from typing import Any

from sqlalchemy import event

from app import create_app
from app.extensions import db
from app.jobs.context import job_context
from app.journeys import execution
from app.lib import clock
from app.outreach import results, sandbox, sending
from config import load_settings

#: after this the work of somebody who died is taken up
LEASE = dt.timedelta(seconds=sending.CONTACTS.seconds + 1)


def kill_at(number: int) -> None:
    """Let this process die as by ``kill -9`` around a statement of any of its connections."""
    seen = 0

    def count(*_given: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(db.engine, name, count)


def work(number: int) -> None:
    """Do what is due, as the job does, and let the sandbox tell what became of contacts."""
    with job_context():
        if number:
            kill_at(number)
        execution.work()
        sending.work()
        results.record_sandbox_outcomes(clock.now())
        execution.work()


def main() -> None:
    """Fork a worker for each line."""
    sandbox.OUTCOMES = {each: [(100, [[3, "delivered"]])] for each in ("sms", "call")}
    app = create_app(load_settings())
    with app.app_context():
        for line in sys.stdin:
            child = os.fork()
            if not child:
                work(int(line))
                os._exit(0)
            _pid, status = os.waitpid(child, 0)
            if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status):
                sys.exit("a worker failed")
            sys.stdout.write("killed\n" if os.WIFSIGNALED(status) else "done\n")
            sys.stdout.flush()


class Killed:
    """Lets other processes work for a bank, a share of whom die in the middle, up to so many."""

    def __init__(self, bank: Any, dice: random.Random, kills: int, share: float) -> None:
        self._bank, self._dice, self._share = bank, dice, share
        self._kills, self.killed = kills, 0

    def __enter__(self) -> Killed:
        settings = self._bank.app.config["SETTINGS"]
        known = ("data_dir", "database_url", "redis_url", "secret_key", "pii_key", "id_hash_key")
        environment = {name.upper(): str(getattr(settings, name)) for name in known}
        outside = {
            key: value for key, value in os.environ.items() if not key.startswith(("FLASK_", "PYTEST_"))
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.journeys.processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**outside, **environment, "ID_HASH_ALGORITHM": "sm3"},
        )
        self._bank.work = self._work
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        del self._bank.work
        self._process.kill()
        self._process.communicate()

    def _work(self) -> None:
        """Work until nothing is due: a moment later whenever somebody died, when the leases are over."""
        with self._bank.app.app_context():
            moment, more = clock.now(), True
        while more:
            dies = self.killed < self._kills and self._dice.random() < self._share
            number = self._dice.randint(1, 200) if dies else 0
            more = self._ask(number) == "killed"
            if more:
                self.killed += 1
                moment += LEASE
                self._bank.move(moment)

    def _ask(self, number: int) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{number}\n")
        stdin.flush()
        answer = stdout.readline().strip()
        assert answer in ("done", "killed"), "the process of the workers ended"
        return answer


if __name__ == "__main__":
    main()
