"""Keep the product's processes and embedded servers running on one machine, until interrupted.

Not honcho: its Manager ends everything when one process ends, with no way to start one again, and runs each
command under a process of its own whose kill -9 leaves the command orphaned and the Manager waiting.
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

from app.embedded.server import EmbeddedError, EmbeddedServer, wait_until

TICK_SECONDS = 0.5
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
# A process that ran this long has recovered: its next restart is quick again.
STEADY_SECONDS = 30.0
# An RQ worker takes the first SIGTERM as "after this job" and the second as "now".
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
    """When to start something again that ended: soon at first, later when it keeps ending."""

    def __init__(self) -> None:
        self.due = 0.0
        self._failures = 0
        self._started = 0.0

    def started(self) -> None:
        """It runs from now on."""
        self._started = time.monotonic()

    def ended(self) -> float:
        """Plan the next start and return the delay in seconds."""
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
    """Runs `programs` and watches over them and over `servers`; one that ends is started again.

    Output of the programs goes to `logs`/NAME.log; standard output says when one ends, and where its log is.
    `ready` is asked until it says that everything answers, then `announce` is called once.
    """

    def __init__(
        self,
        programs: Mapping[str, Program],
        *,
        servers: Sequence[EmbeddedServer],
        logs: Path,
        ready: Callable[[], bool],
        announce: Callable[[], None],
    ) -> None:
        self._children = [_Child(name, program) for name, program in programs.items()]
        self._servers = [(server, Restarts()) for server in servers]
        self._logs = logs
        self._ready = ready
        self._announce = announce
        self._announced = False

    def run(self) -> None:
        """Keep everything running until KeyboardInterrupt (see interruptible()); the programs end with it."""
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        _become_subreaper()
        try:
            while True:
                self._tick()
                time.sleep(TICK_SECONDS)
        finally:
            self._stop()

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
            # Its workers would go on without it and in the way of their successors.
            _kill_group(child.process.pid)
            child.process = None
            self._say(
                f"{child.name} ended ({_how(status)}); starting it again in {child.restarts.ended():.1f} s; "
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
            # A Ctrl-C reaches the supervisor alone, which then ends the others in order.
            start_new_session=True,
            pass_fds=child.program.fds,
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
        """End what the programs left behind: all descendants but the servers, which their owner stops."""
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
        # Whoever reads our output may be gone; that is no reason to stop.
        with contextlib.suppress(OSError):
            sys.stdout.write(f"supervisor | {text}\n")
            sys.stdout.flush()


class _PrivateLog(RotatingFileHandler):
    """A log file that its owner alone may read."""

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(handle, 0o600)
        return os.fdopen(handle, "a", encoding=self.encoding)


def as_child(command: Sequence[str]) -> list[str]:
    """The command line of a program that ends when this process does, also by kill -9."""
    return [sys.executable, "-I", str(CHILD_SCRIPT), str(os.getpid()), *command]


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within, the first Ctrl-C, SIGTERM or SIGHUP raises KeyboardInterrupt, which ends with the block.

    Any more of them have no effect until the process ends, so that what runs can stop in order.
    """
    # nohup asks to outlive the terminal.
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
        # Not SIG_IGN: Python reports a signal that arrives while it is being set.
        signal.signal(other, _nothing)
    raise KeyboardInterrupt


def _nothing(number: int, frame: FrameType | None) -> None:
    """A signal that came after the one that is being served."""


def _ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


def _become_subreaper() -> None:
    """Have what a killed program leaves behind become our child, so that we can find and end it."""
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


def _how(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
