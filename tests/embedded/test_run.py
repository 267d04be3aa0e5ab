"""What `python run.py` refuses, and what it runs."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.support import ROOT, Running

RUN = ROOT / "run.py"


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
