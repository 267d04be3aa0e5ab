"""What `python run.py` refuses, and what it runs."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from app.embedded.server import wait_until
from tests.conftest import SAMPLE
from tests.embedded.support import RUN, Installation, Running, alive, installed, kill


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


@pytest.fixture
def installation() -> Iterator[Installation]:
    yield from installed()


def test_a_bank_s_own_list_is_opened_kept_running_and_closed(installation: Installation) -> None:
    for command in (["db", "upgrade"], ["leads", "import", SAMPLE / "leads_gb18030.csv"]):
        done = installation.flask(*command)
        assert done.returncode == 0, done.stderr
    run = installation.start()
    assert not run.having("Demo: ")
    doctor = installation.flask("doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert not run.having("ended; starting it again")
    supervisor = psutil.Process(run.process.pid)
    everything = supervisor.children(recursive=True)
    web = next(child for child in supervisor.children() if "gunicorn" in " ".join(child.cmdline()))
    kill(web.pid)
    assert wait_until(partial(installation.is_whole, run, web.pid), 60)
    assert run.end(signal.SIGINT) == 0
    assert not [process.pid for process in everything if alive(process.pid)]
