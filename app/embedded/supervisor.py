"""The supervisor, which keeps the product's processes and embedded servers running until interrupted.

Honcho is not used: its Manager ends everything when one process ends and can't restart one. It also wraps
each command in a process whose kill -9 orphans the command and leaves the Manager waiting.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType
from typing import IO

import psutil  # type: ignore[import-untyped]

from app.embedded.gate import Gate
from app.embedded.server import EmbeddedError, EmbeddedServer, wait_until

TICK_SECONDS = 0.5
LOADING_TICK_SECONDS = 0.1
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
# After this time a process counts as recovered, and its next restart is quick again.
STEADY_SECONDS = 30.0
# On the first SIGTERM an RQ worker finishes its job, on the second it stops at once.
STOP_STEPS = ((signal.SIGTERM, 2.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 2.0))
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOG_BYTES = 10_000_000
PR_SET_CHILD_SUBREAPER = 36
CHILD_SCRIPT = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Program:
    """A command to keep running, with the file descriptors it inherits."""

    command: Sequence[str]
    fds: tuple[int, ...] = ()


class Restarts:
    """The back-off of restarts: the delay grows while a program keeps ending."""

    def __init__(self) -> None:
        self.due = 0.0
        self._failures = 0
        self._started = 0.0

    def started(self) -> None:
        """Record a start."""
        self._started = time.monotonic()

    def ended(self) -> float:
        """Record an end and schedule the next start. Return the delay in seconds."""
        now = time.monotonic()
        self._failures = 0 if now - self._started > STEADY_SECONDS else self._failures + 1
        delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** max(0, self._failures - 1))
        self.due = now + delay
        return delay


class _Child:
    def __init__(self, name: str, program: Program) -> None:
        self.name = name
        self.program = program
        self.restarts = Restarts()
        self.process: subprocess.Popen[bytes] | None = None

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Runs `programs`, watches them and `servers`, and restarts those that end.

    The programs' output goes to `logs`/NAME.log; standard output reports when one ends and where its log is.
    While `preparing` returns True, the programs are loaded one after the other and wait at a gate. Later,
    `ready` is polled until it returns True, then `announce` is called once.
    """

    def __init__(
        self,
        programs: Mapping[str, Program],
        *,
        servers: Sequence[EmbeddedServer],
        logs: Path,
        preparing: Callable[[], bool],
        ready: Callable[[], bool],
        announce: Callable[[], None],
    ) -> None:
        self._children = [_Child(name, program) for name, program in programs.items()]
        self._servers = [(server, Restarts()) for server in servers]
        self._logs = logs
        self._gate = Gate()
        self._preparing = preparing
        self._ready = ready
        self._announce = announce
        self._announced = False

    def run(self) -> None:
        """Keep everything running until KeyboardInterrupt (see interruptible()), then stop the programs.

        An exception of `preparing` stops them as well.
        """
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        _become_subreaper()
        try:
            while self._preparing():
                self._load_next()
                time.sleep(LOADING_TICK_SECONDS)
            self._gate.open()
            while True:
                self._tick()
                time.sleep(TICK_SECONDS)
        finally:
            self._stop()
            self._gate.close()

    def _load_next(self) -> None:
        """Start the next program when the one before it waits at the gate, to leave a processor free."""
        waiting = [child for child in self._children if child.process is None]
        if waiting and self._gate.arrived() == len(self._children) - len(waiting):
            self._start(waiting[0])

    def _tick(self) -> None:
        for server, restarts in self._servers:
            if not server.alive() and time.monotonic() >= restarts.due:
                self._revive(server, restarts)
        for child in self._children:
            if not child.running():
                self._restart(child)
        _reap_adopted(child.process for child in self._children)
        if not self._announced and self._ready():
            self._announced = True
            self._announce()

    def _revive(self, server: EmbeddedServer, restarts: Restarts) -> None:
        self._say(f"{server.name} ended; starting it again")
        restarts.ended()
        try:
            server.revive()
            restarts.started()
        except (EmbeddedError, OSError) as error:
            self._say(str(error))

    def _restart(self, child: _Child) -> None:
        if child.process is not None:
            status = child.process.returncode
            # Its remaining workers would get in the way of their successors.
            _kill_group(child.process.pid)
            child.process = None
            delay = child.restarts.ended()
            self._say(
                f"{child.name} ended ({_describe_exit(status)}); starting it again in {delay:.1f} s; "
                f"its log is {self._log_of(child.name)}"
            )
        if time.monotonic() >= child.restarts.due:
            self._start(child)

    def _start(self, child: _Child) -> None:
        child.restarts.started()
        child.process = process = subprocess.Popen(  # noqa: S603 - our own programs
            as_child(child.program.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C should reach only the supervisor, which then stops the others in order.
            start_new_session=True,
            pass_fds=(*child.program.fds, self._gate.fd),
            env={**os.environ, **self._gate.environment},
        )
        threading.Thread(target=self._relay, args=(child.name, process.stdout), daemon=True).start()

    def _relay(self, name: str, output: IO[bytes]) -> None:
        handler = _PrivateLog(self._log_of(name), maxBytes=LOG_BYTES, backupCount=3, encoding="utf-8")
        with contextlib.closing(handler), output:
            for raw in output:
                line = raw.decode("utf-8", "replace").rstrip()
                handler.emit(logging.makeLogRecord({"msg": line}))

    def _log_of(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _stop(self) -> None:
        for number, seconds in STOP_STEPS:
            for child in self._children:
                if child.process is not None and child.running():
                    _signal(child.process.pid, number)
            if wait_until(lambda: not any(child.running() for child in self._children), seconds):
                break
        self._kill_leftovers()

    def _kill_leftovers(self) -> None:
        """Kill all remaining descendants except the servers, which their owner stops."""
        spared: set[int] = set()
        for server, _ in self._servers:
            pid = server.pid()
            if pid is not None:
                spared |= {pid, *(process.pid for process in _descendants(pid))}
        for process in _descendants(os.getpid()):
            if process.pid not in spared:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()

    def _say(self, text: str) -> None:
        # Go on when nobody reads our output any more.
        with contextlib.suppress(OSError):
            sys.stdout.write(f"supervisor | {text}\n")
            sys.stdout.flush()


class _PrivateLog(RotatingFileHandler):
    """A rotating log file that only its owner may read."""

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(handle, 0o600)
        return os.fdopen(handle, "a", encoding=self.encoding)


def as_child(command: Sequence[str]) -> list[str]:
    """Return the command line of a program that ends with this process, even after kill -9."""
    return [sys.executable, "-I", str(CHILD_SCRIPT), str(os.getpid()), *command]


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt inside the block on the first Ctrl-C, SIGTERM or SIGHUP, and suppress it after.

    Further signals have no effect until the process ends, so that everything can stop in order.
    """
    # Under nohup SIGHUP is ignored and stays so.
    numbers = [number for number in INTERRUPTS if number != signal.SIGHUP or not _ignored(number)]
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    with contextlib.suppress(KeyboardInterrupt):
        try:
            yield
        except KeyboardInterrupt:
            before = {}
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for other in INTERRUPTS:
        # Not SIG_IGN: Python reports a signal that arrives while that is being set.
        signal.signal(other, _ignore)
    raise KeyboardInterrupt


def _ignore(number: int, frame: FrameType | None) -> None:
    """Ignore a signal that follows the one being handled."""


def _ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


def _become_subreaper() -> None:
    """Make orphans of a killed program our children, so that we can find and kill them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _reap_adopted(processes: Iterator[subprocess.Popen[bytes] | None]) -> None:
    own = {process.pid for process in processes if process is not None}
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if process.pid not in own and process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _describe_exit(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
