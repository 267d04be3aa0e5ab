"""`python run.py`: refusals, and the processes that it runs."""

from __future__ import annotations

import http.client
import secrets
import signal
import socket
import urllib.request
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import make_url

from app.embedded import Services
from app.embedded.server import wait_until
from tests.conftest import SAMPLE
from tests.database import libpq
from tests.embedded.installation import FIRST_START_SECONDS, RUN, Installation, installed
from tests.embedded.support import Running, alive, kill, open_to_others


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
    weak = {"SECRET_KEY": "s" * 40, "PII_KEY": "p" * 40, "ID_HASH_KEY": "h" * 40}
    run = Running(RUN, DATA_DIR=str(data_dir), APP_ENV="production", DATABASE_URL="", REDIS_URL="", **weak)
    assert run.end() == 1
    assert "DATABASE_URL" in run.text
    assert "REDIS_URL" in run.text
    assert "SECRET_KEY is made of a few characters" in run.text
    assert not data_dir.exists()


@pytest.fixture
def installation() -> Iterator[Installation]:
    yield from installed()


@pytest.mark.long
def test_a_bank_s_own_list_is_opened_kept_running_and_closed(installation: Installation) -> None:
    for command in (["db", "upgrade"], ["leads", "import", SAMPLE / "leads_gb18030.csv"]):
        done = installation.flask(*command)
        assert done.returncode == 0, done.stderr
    run = installation.start()
    assert not run.having("Demo: ")
    assert run.after_the_log_ins() == []
    assert "sql" not in installation.ways()
    doctor = installation.flask("doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert not run.having("ended; starting it again")
    assert open_to_others(installation.data_dir) == []
    supervisor = psutil.Process(run.process.pid)
    everything = supervisor.children(recursive=True)
    web = next(child for child in supervisor.children() if "gunicorn" in " ".join(child.cmdline()))
    kill(web.pid)
    assert wait_until(partial(installation.is_whole, run, web.pid), 60)
    assert run.end(signal.SIGINT) == 0
    assert not [process.pid for process in everything if alive(process.pid)]


@pytest.mark.long
def test_production_is_announced_and_probes_come_by_plain_http(
    servers: Services, data_dir: Path, tmp_path: Path
) -> None:
    """With a separate PostgreSQL and Redis, behind a TLS proxy."""
    url, name = make_url(servers.database_url), f"production_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(libpq(url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    run = Running(
        RUN,
        APP_ENV="production",
        DATA_DIR=str(data_dir),
        PORT=str(port),
        DATABASE_URL=url.set(database=name).render_as_string(hide_password=False),
        REDIS_URL=servers.redis_url,
        **{each: secrets.token_urlsafe(48) for each in ("SECRET_KEY", "PII_KEY", "ID_HASH_KEY")},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        run.says(f"Lead Monitor is ready: {address}", seconds=FIRST_START_SECONDS)
        assert [line for line in run.lines if " | " in line or " / " in line] == []
        for probe in ("healthz", "readyz"):
            with urllib.request.urlopen(f"{address}/{probe}", timeout=10) as answer:
                assert answer.status == 200
                assert answer.url == f"{address}/{probe}"
        connection_ = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection_.request("GET", "/login/")
        assert connection_.getresponse().getheader("Location") == f"https://127.0.0.1:{port}/login/"
    finally:
        assert run.end(signal.SIGTERM) == 0
