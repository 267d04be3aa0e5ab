"""What `python run.py` refuses, and what it runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from app.embedded.server import wait_until
from app.jobs import QUEUES
from tests.embedded.support import ROOT, Running, alive, kill

#: what the supervisor keeps running: PostgreSQL, Valkey, web, ticker and a worker per queue
PROGRAMS = 4 + len(QUEUES)

RUN = ROOT / "run.py"
FIRST_START_SECONDS = 300


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_taken_port_is_refused_before_anything_starts(data_dir: Path, taken_port: int) -> None:
    run = Running(RUN, DATA_DIR=str(data_dir), PORT=str(taken_port))
    assert run.end() == 1
    assert f"cannot listen on 127.0.0.1 port {taken_port} (Address already in use)" in run.text
    assert not (data_dir / "postgres").exists()


def test_ctrl_c_while_waiting_for_the_port_is_a_clean_end(data_dir: Path, taken_port: int) -> None:
    run = Running(RUN, DATA_DIR=str(data_dir), PORT=str(taken_port))
    run.says("Starting on")
    assert run.end(signal.SIGINT) == 0
    assert "Traceback" not in run.text


def test_production_refuses_embedded_servers_and_names_each_setting(data_dir: Path) -> None:
    secrets = {"SECRET_KEY": "s" * 40, "PII_KEY": "p" * 40, "ID_HASH_KEY": "h" * 40}
    run = Running(RUN, DATA_DIR=str(data_dir), APP_ENV="production", DATABASE_URL="", REDIS_URL="", **secrets)
    assert run.end() == 1
    assert "DATABASE_URL" in run.text
    assert "REDIS_URL" in run.text
    assert not data_dir.exists()


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
            with urllib.request.urlopen(f"{self.address}/healthz", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="lmt-", dir="/tmp"))
    made = Installation(folder / "var", port)
    yield made
    made.end()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def first_run(installation: Installation) -> Running:
    return installation.start()


def test_the_first_start_fills_and_opens_the_product(installation: Installation, first_run: Running) -> None:
    assert installation.answers()
    for username in ("admin", "manager", "marketer", "operator", "auditor"):
        assert first_run.having(f": {username} / ")
    hits = installation.flask("hits", "export", "--format", "json")
    assert hits.returncode == 0, hits.stderr
    assert json.loads(hits.stdout)


def test_commands_beside_it_leave_its_servers_running(installation: Installation, first_run: Running) -> None:
    doctor = installation.flask("doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert not first_run.having("ended; starting it again")
    assert installation.answers()


def is_replaced(supervisor: psutil.Process, pid: int, installation: Installation) -> bool:
    """Whether the killed process is gone for good, another runs in its place and the product answers."""
    running = {child.pid for child in supervisor.children()}
    return pid not in running and len(running) == PROGRAMS and installation.answers()


def test_a_kill_of_any_process_is_recovered_from(installation: Installation, first_run: Running) -> None:
    supervisor = psutil.Process(first_run.process.pid)
    programs = supervisor.children()
    assert len(programs) == PROGRAMS
    for program in programs:
        kill(program.pid)
        recovered = partial(is_replaced, supervisor, program.pid, installation)
        assert wait_until(recovered, 60), program
    assert not any(alive(program.pid) for program in programs)
    doctor = installation.flask("doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr


def test_a_stop_is_complete_and_the_data_is_there_again(
    installation: Installation, first_run: Running
) -> None:
    hits = installation.flask("hits", "export", "--format", "json").stdout
    everything = psutil.Process(first_run.process.pid).children(recursive=True)
    assert first_run.end(signal.SIGINT) == 0
    assert not [process.pid for process in everything if alive(process.pid)]
    assert installation.flask("hits", "export", "--format", "json").stdout == hits
    second_run = installation.start()
    assert not second_run.having("Demo: ")
    assert second_run.end(signal.SIGTERM) == 0
