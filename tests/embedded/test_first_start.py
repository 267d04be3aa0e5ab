"""The first start with the whole demo, and recovery from a kill of each process."""

from __future__ import annotations

import datetime as dt
import json
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.effect.comparison import MIN_PEOPLE
from app.embedded.server import wait_until
from tests import clock
from tests.embedded.installation import PROGRAMS, Installation, installed
from tests.embedded.support import Running, alive, kill

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    yield from installed()


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


def test_its_story_has_a_rule_with_an_effect_one_without_and_some_that_nobody_knows(
    installation: Installation, first_run: Running
) -> None:
    first, last = clock.today() - dt.timedelta(days=30), clock.today()
    told = installation.flask("effect", "report", "--from", f"{first}", "--to", f"{last}", "--json")
    assert told.returncode == 0, told.stderr
    rules = json.loads(told.stdout)["rules"]
    assert rules["R-CREDIT-CALLS-7D"]["interval"][0] > 0
    low, high = rules["R-FACE-3D"]["interval"]
    assert low < 0 < high
    assert min(rules[code]["holdout"]["people"] for code in ("R-CREDIT-CALLS-7D", "R-FACE-3D")) >= MIN_PEOPLE
    assert any(rule["holdout"]["people"] < MIN_PEOPLE for rule in rules.values())


def test_the_log_ins_are_the_last_thing_on_a_quiet_screen(
    installation: Installation, first_run: Running
) -> None:
    assert first_run.after_the_log_ins() == []
    assert not [line for line in first_run.lines if " | " in line or "not supported" in line]
    logs = Path(installation.env["DATA_DIR"]) / "logs"
    assert {path.stat().st_mode & 0o777 for path in logs.glob("w*.log")} == {0o600}


def test_set_up_and_demo_are_a_way_of_their_own(installation: Installation, first_run: Running) -> None:
    ways = installation.ways()
    assert "sql" not in ways
    assert ways["setup"] > 1000


def test_commands_beside_it_leave_its_servers_running(installation: Installation, first_run: Running) -> None:
    doctor = installation.flask("doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert not first_run.having("ended; starting it again")
    assert installation.answers()


def test_a_kill_of_any_process_is_recovered_from(installation: Installation, first_run: Running) -> None:
    supervisor = psutil.Process(first_run.process.pid)
    programs = supervisor.children()
    assert len(programs) == PROGRAMS
    for program in programs:
        kill(program.pid)
        assert wait_until(partial(installation.is_whole, first_run, program.pid), 60), program
    assert not any(alive(program.pid) for program in programs)
    doctor = installation.flask("doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr


def _hits(installation: Installation) -> list[dict[str, Any]]:
    """Export all hits, apart from their status: the demo's journeys go on until the stop."""
    exported = json.loads(installation.flask("hits", "export", "--format", "json").stdout)
    return [{name: value for name, value in hit.items() if name != "status"} for hit in exported]


def test_a_stop_is_complete_and_the_data_is_there_again(
    installation: Installation, first_run: Running
) -> None:
    hits = _hits(installation)
    everything = psutil.Process(first_run.process.pid).children(recursive=True)
    assert first_run.end(signal.SIGINT) == 0
    assert not [process.pid for process in everything if alive(process.pid)]
    assert _hits(installation) == hits
    second_run = installation.start()
    assert not second_run.having("Demo: ")
    assert second_run.end(signal.SIGTERM) == 0
