"""Programs are loaded while the database is prepared, and work only afterwards."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded.server import wait_until
from tests.embedded.support import SCRIPTS, Running, alive, kill


class Gated(Running):
    """The supervisor of gated.py, with what its programs say."""

    def __init__(self, folder: Path) -> None:
        super().__init__(SCRIPTS / "gated.py", str(folder))
        self.folder = folder

    def events(self) -> list[tuple[str, str]]:
        return [(what, name) for what, name, _pid in self._events()]

    def pids(self) -> list[int]:
        return sorted({int(pid) for _what, _name, pid in self._events()})

    def _events(self) -> list[list[str]]:
        file = self.folder / "events"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[Gated]:
    """Both programs wait."""
    running = Gated(tmp_path)
    try:
        assert wait_until(lambda: ("loaded", "second") in running.events(), 60), running.text
        yield running
    finally:
        running.process.terminate()
        running.end()


def test_programs_load_one_after_the_other_and_pass_when_the_database_is_ready(gated: Gated) -> None:
    waiting = [(what, name) for name in ("first", "second") for what in ("loading", "loaded")]
    assert gated.events() == waiting
    (gated.folder / "prepared").touch()
    gated.says("ready")
    assert sorted(gated.events()[4:]) == [("passed", "first"), ("passed", "second")]
    assert len(gated.pids()) == 2


def test_a_program_that_is_started_again_passes(gated: Gated) -> None:
    (gated.folder / "prepared").touch()
    gated.says("ready")
    kill(gated.pids()[0])
    assert wait_until(lambda: len(gated.events()) == 9, 120), gated.text
    assert gated.events()[-1][0] == "passed"


def test_a_preparation_that_fails_ends_the_programs(gated: Gated) -> None:
    pids = gated.pids()
    (gated.folder / "failed").touch()
    assert gated.end() == 1
    assert not [pid for pid in pids if alive(pid)]
    assert ("passed", "first") not in gated.events()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_program_passes_when_the_supervisor_ends(gated: Gated, number: signal.Signals) -> None:
    pids = gated.pids()
    gated.end(number)
    assert wait_until(lambda: not [pid for pid in pids if alive(pid)], 60)
    assert {what for what, _name in gated.events()} == {"loading", "loaded"}
