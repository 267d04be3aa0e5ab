"""Nothing is lost, sent twice or sent in silence, whatever is killed, fails or jumps in time."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import func, select, update

from app.embedded.redis import EmbeddedRedis
from app.models import Delivery, Push, PushHit, Schedule
from app.schedules.calendar import Calendar
from app.schedules.definition import ScheduleDef
from app.schedules.plan import plan
from app.schedules.versions import version_def
from app.schedules.windows import window
from tests.clock import now
from tests.push.conftest import ZONE, Bank, local
from tests.push.processes import SECONDS, VirtualClock
from tests.push.receiver import Receiver, serve

START = local("2026-10-26 10:00")
#: Real seconds of trouble; a second is half a minute of the bank's time.
TROUBLE_SECONDS = 40
SILENT = {"from": "10:08", "to": "10:12", "level": "S"}
JUMP = dt.timedelta(minutes=37)


class Unreliable(Receiver):
    """A receiver that refuses, hangs up after accepting, answers too late, and is sometimes down."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self.random = random.Random(7)
        self.kind = False
        self.arrived: list[dt.datetime] = []

    def take(self, headers: Any, raw: bytes) -> int | None:
        """Accept the webhook before the answer goes wrong."""
        with self.lock:
            self.arrived.append(self.clock.now())
            chance = 1.0 if self.kind else self.random.random()
        if chance < 0.15:
            return 503  # not taken
        if chance < 0.2:
            time.sleep(SECONDS * 1.3)
            return 503  # not taken, and too late to say so
        status = super().take(headers, raw)
        if chance < 0.3:
            return None  # taken, nobody hears of it
        if chance < 0.35:
            time.sleep(SECONDS * 1.3)  # taken, the answer comes too late
        return status


class Processes:
    """Tickers and workers that are killed and restarted."""

    def __init__(self, environment: dict[str, str], clock_file: Path) -> None:
        command = [sys.executable, "-m", "tests.push.processes", str(clock_file)]
        self.parent = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._answer() == "ready"
        self.pids: dict[str, int] = {}

    def _answer(self) -> str:
        assert self.parent.stdout is not None
        return self.parent.stdout.readline().strip()

    def start(self, name: str) -> None:
        assert self.parent.stdin is not None
        self.parent.stdin.write(f"{name.split('-')[0]}\n")
        self.parent.stdin.flush()
        self.pids[name] = int(self._answer())

    def kill(self, name: str) -> None:
        """Kill the process and, half of the time, the processes it forked."""
        pid = self.pids.pop(name)
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(pid) == pid and random.random() < 0.5:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.parent.pid).children(recursive=True):
                child.kill()
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self.parent.kill()
        self.parent.wait()


@pytest.fixture
def clock(tmp_path: Path) -> VirtualClock:
    made = VirtualClock(tmp_path / "clock")
    made.set(START)
    return made


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """The test's own Valkey server, which is killed and restarted."""
    server = EmbeddedRedis(tmp_path / "redis-home")
    server.join()
    yield server
    server.leave(stop=True)


@pytest.fixture
def unreliable(clock: VirtualClock) -> Iterator[Unreliable]:
    made = Unreliable(clock)
    server = serve(made)
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def processes(
    bank: Bank,
    unreliable: Unreliable,
    clock: VirtualClock,
    redis_server: EmbeddedRedis,
    sample_env: dict[str, str],
) -> Iterator[Processes]:
    place = unreliable.url.removesuffix("/hooks")
    environment = sample_env | {"REDIS_URL": redis_server.url, "WEBHOOK_ALLOW": place}
    made = Processes(environment, clock.path)
    yield made
    made.end()


@pytest.mark.long
def test_chaos(
    bank: Bank,
    unreliable: Unreliable,
    clock: VirtualClock,
    redis_server: EmbeddedRedis,
    processes: Processes,
) -> None:
    secret = bank.target("webhook", "crm", url=unreliable.url)
    unreliable.secret = secret
    spec = {"preset": "custom", "interval_minutes": 1, "min_gap_seconds": 30, "ranges": [SILENT]}
    schedules = [bank.schedule(("webhook", "crm"), code=code, **spec) for code in ("S-1", "S-2")]
    for name in ("ticker-1", "ticker-2", "worker-1", "worker-2"):
        processes.start(name)
    clock.set(START)
    hits = _trouble(bank, clock, redis_server, processes)
    unreliable.kind = True
    _wait_until_quiet(bank, clock, processes)

    assert unreliable.bad == []
    _everything_went_once(bank, unreliable, schedules, hits)
    _nothing_went_in_silence(schedules[0], unreliable)
    for schedule in schedules:
        _no_slot_was_missed_and_none_too_close(bank, schedule)


def _trouble(bank: Bank, clock: VirtualClock, redis_server: EmbeddedRedis, processes: Processes) -> int:
    """Keep adding hits while something breaks every second. Return the number of hits."""
    begun, hits, done = time.monotonic(), 0, set()
    pause = threading.Event()

    def once(after: float, deed: Callable[[], None]) -> None:
        if time.monotonic() - begun > after and after not in done:
            done.add(after)
            deed()

    def kill(*names: str) -> Callable[[], None]:
        return lambda: list(map(processes.kill, names)).clear()

    def start(*names: str) -> Callable[[], None]:
        return lambda: list(map(processes.start, names)).clear()

    def lose_redis() -> None:
        _kill_redis(redis_server)
        shutil.rmtree(redis_server.home)
        redis_server.revive()

    while time.monotonic() - begun < TROUBLE_SECONDS:
        hits += len(bank.hits(2))
        once(2, kill("worker-1"))
        once(3, start("worker-1"))
        once(4, kill("ticker-1"))
        once(5, start("ticker-1"))
        once(6, kill("worker-1", "worker-2"))
        once(8, start("worker-1", "worker-2"))
        once(10, lambda: _kill_redis(redis_server))
        once(12, redis_server.revive)
        # An outage of five of the bank's minutes, then everything comes back.
        once(14, kill("ticker-1", "ticker-2", "worker-1", "worker-2"))
        once(27, start("ticker-1", "ticker-2", "worker-1", "worker-2"))
        once(30, lose_redis)
        once(32, kill("worker-2"))
        once(33, start("worker-2"))
        once(34, lambda: clock.set(clock.now() + JUMP))
        once(36, lambda: clock.set(clock.now() - JUMP))
        once(37, kill("ticker-2", "worker-1"))
        once(38, start("ticker-2", "worker-1"))
        pause.wait(0.3)
    return hits


def _kill_redis(server: EmbeddedRedis) -> None:
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while server.alive() and time.monotonic() < deadline:
        time.sleep(0.02)


def _wait_until_quiet(bank: Bank, clock: VirtualClock, processes: Processes) -> None:
    """Wait until all hits are pushed and sent, moving the clock forward to distant retries."""
    deadline = time.monotonic() + 60
    paused = False
    while time.monotonic() < deadline:
        left = bank.session.scalar(select(func.count()).where(Delivery.status.in_(["waiting", "sending"])))
        last = bank.session.scalar(select(func.max(Push.created_at)))
        bank.session.rollback()
        if not paused and last and (now() - last).total_seconds() < 2.5:
            # One more slot has taken what was made last; no more of them are needed.
            if bank.session.scalar(select(func.count()).select_from(PushHit)) == 2 * _made(bank):
                bank.session.execute(update(Schedule).values(status="paused"))
                bank.session.commit()
                paused = True
        elif paused and not left:
            return
        elif paused:
            clock.set(clock.now() + dt.timedelta(minutes=6))
        time.sleep(0.5)
    raise AssertionError(f"{left} deliveries are left")


def _made(bank: Bank) -> int:
    from app.models import Hit

    return bank.session.scalar(select(func.count()).select_from(Hit)) or 0


def _everything_went_once(bank: Bank, unreliable: Unreliable, schedules: list[Schedule], hits: int) -> None:
    deliveries = bank.all(Delivery)
    assert {each.status for each in deliveries} == {"sent"}
    assert set(unreliable.accepted) == {each.uid for each in deliveries}
    got: Counter[tuple[str, int]] = Counter(
        (body["data"]["schedule"], hit["id"])
        for body in unreliable.accepted.values()
        for hit in body["data"]["hits"]
    )
    assert set(got.values()) == {1}
    assert Counter(code for code, _hit in got) == {each.code: hits for each in schedules}
    assert max(unreliable.seen.values()) > 1, "the receiver never got anything twice: no chaos"


def _nothing_went_in_silence(schedule: Schedule, unreliable: Unreliable) -> None:
    definition = version_def(schedule.active_version)  # type: ignore[arg-type]
    begins, ends = local("2026-10-26 10:08"), local("2026-10-26 10:12")
    assert any(at < begins for at in unreliable.arrived)
    assert any(at >= ends for at in unreliable.arrived)
    assert [at for at in unreliable.arrived if begins <= at < ends] == []
    assert window(definition, begins, ZONE, Calendar()).begins == ends


def _no_slot_was_missed_and_none_too_close(bank: Bank, schedule: Schedule) -> None:
    pushes = [each for each in bank.all(Push) if each.schedule_id == schedule.id]
    planned = _planned(version_def(schedule.active_version))  # type: ignore[arg-type]
    first, last = pushes[0].slot, max(push.slot for push in pushes)
    wanted = [slot for slot in planned if first <= slot <= last]
    covered: set[dt.datetime] = set()
    for push in pushes:
        place = planned.index(push.slot)
        covered.update(planned[place - push.missed : place + 1])
    assert [slot for slot in wanted if slot not in covered] == []
    gaps = [(b.at - a.at).total_seconds() for a, b in pairwise(pushes) if b.at > a.at]
    assert min(gaps) >= 30
    assert max(push.missed for push in pushes) >= 4, "the outage went as one push"
    assert len(pushes) == len({push.slot for push in pushes})


def _planned(definition: ScheduleDef) -> list[dt.datetime]:
    found = plan(definition, START.date(), 1, ZONE, Calendar())
    return [each.planned for each in found if each.at is not None]
