"""Processes and waiting for the tests of the embedded servers and the supervisor."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import psycopg
from sqlalchemy import make_url

from app.embedded.postgres import EmbeddedPostgres
from app.embedded.server import wait_until
from app.jobs import QUEUES
from tests.database import libpq

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent


def settings(data_dir: Path, **urls: str) -> Any:
    return SimpleNamespace(data_dir=data_dir, **{"database_url": "", "redis_url": "", **urls})


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Running:
    """A script of this folder, or a file of the project, running; its output is collected in `lines`."""

    def __init__(self, script: Path, *arguments: str, **env: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell that runs the tests in the background hands down ignored signals.
            preexec_fn=_default_signals,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def says(self, word: str, count: int = 1, seconds: float = 120) -> None:
        """Wait until `count` lines contain `word`."""
        assert wait_until(lambda: len(self.having(word)) >= count, seconds), f"no {word!r} in:\n{self.text}"

    def having(self, word: str) -> list[str]:
        return [line for line in list(self.lines) if word in line]

    def after_the_log_ins(self) -> list[str]:
        """What the screen says after the address and the log-ins of the demo."""
        ready = next(place for place, line in enumerate(self.lines) if "Lead Monitor is ready" in line)
        return [line for line in self.lines[ready + 1 :] if " / " not in line]

    def end(self, number: signal.Signals | None = None, seconds: float = 120) -> int:
        """Send a signal, if any, and return the exit status; all output is in `lines` then."""
        if number is not None:
            self.process.send_signal(number)
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip())


RUN = ROOT / "run.py"
FIRST_START_SECONDS = 300
#: what the supervisor keeps running: PostgreSQL, Valkey, web, ticker and a worker per queue
PROGRAMS = 4 + len(QUEUES)


class Installation:
    """A DATA_DIR and a port on which the product is started, stopped and looked at."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.env = {"DATA_DIR": str(data_dir), "PORT": str(port), "DATABASE_URL": "", "REDIS_URL": ""}
        self.address = f"http://127.0.0.1:{port}"
        self._runs: list[Running] = []

    def start(self) -> Running:
        run = Running(RUN, **self.env)
        self._runs.append(run)
        run.says("Lead Monitor is ready: " + self.address, seconds=FIRST_START_SECONDS)
        return run

    def end(self) -> None:
        for run in self._runs:
            run.process.terminate()
            run.end()

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/readyz", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def flask(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            check=False,
        )

    def ways(self) -> dict[str, int]:
        """How many entries of the change log there are by each way."""
        url = make_url(EmbeddedPostgres(Path(self.env["DATA_DIR"])).url)
        with psycopg.connect(libpq(url)) as connection:
            return dict(connection.execute("SELECT source, count(*) FROM change_log GROUP BY source"))

    def is_whole(self, run: Running, without: int) -> bool:
        """Whether a killed process is gone for good, another runs in its place and the product answers."""
        running = {child.pid for child in psutil.Process(run.process.pid).children()}
        return without not in running and len(running) == PROGRAMS and self.answers()


def installed() -> Iterator[Installation]:
    """A folder and a free port for the product; whatever runs there at the end is ended."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="lmt-", dir="/tmp"))
    made = Installation(folder / "var", port)
    yield made
    made.end()
    shutil.rmtree(folder)
