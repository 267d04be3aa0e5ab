"""The whole product as run by `python run.py`, in its own folder and on its own port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
from sqlalchemy import make_url

from app.embedded.postgres import EmbeddedPostgres
from app.jobs import QUEUES
from tests.database import libpq
from tests.embedded.support import ROOT, Running

RUN = ROOT / "run.py"
FIRST_START_SECONDS = 300
#: what the supervisor keeps running: PostgreSQL, Valkey, web, ticker and a worker per queue
PROGRAMS = 4 + len(QUEUES)


class Installation:
    """A DATA_DIR and a port on which tests start, stop and inspect the product."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.env = {"DATA_DIR": str(data_dir), "PORT": str(port), "DATABASE_URL": "", "REDIS_URL": ""}
        self.data_dir = data_dir
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
        """Return the number of change log entries by source."""
        url = make_url(EmbeddedPostgres(Path(self.env["DATA_DIR"])).url)
        with psycopg.connect(libpq(url)) as connection:
            return dict(connection.execute("SELECT source, count(*) FROM change_log GROUP BY source"))

    def is_whole(self, run: Running, without: int) -> bool:
        """Return whether a killed process is gone, another one replaces it and the product answers."""
        running = {child.pid for child in psutil.Process(run.process.pid).children()}
        return without not in running and len(running) == PROGRAMS and self.answers()


def installed() -> Iterator[Installation]:
    """Create a folder and a free port for the product. Processes that remain at the end are killed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="lmt-", dir="/tmp"))
    made = Installation(folder / "var", port)
    yield made
    made.end()
    shutil.rmtree(folder)
