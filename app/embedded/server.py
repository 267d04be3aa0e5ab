"""The life cycle of one embedded server, shared by all processes that work on the same DATA_DIR.

Its whole state is in three lock files under DATA_DIR/embedded. The kernel releases a lock when its holder
dies, so the state is right even after kill -9:

- NAME.guard   exclusive, held while a process starts, joins or stops the server;
- NAME.users   shared, held by every process that uses the server; the last one can make it exclusive;
- NAME.server  exclusive, inherited by the server: held means alive. Its last line is the server's pid.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar

START_SECONDS = 60.0
STOP_SECONDS = 8.0
POLL_SECONDS = 0.05
LOG_BYTES = 10_000_000
# The shortest limit of sun_path among the systems we run on (macOS), with its final NUL.
SOCKET_PATH_LIMIT = 104
# The shell writes its own pid before it becomes the server, so that the pid is known even if the starter is
# killed. The lock comes as standard input, since not every shell can name an arbitrary descriptor.
WITH_PID_IN_LOCK = ["/bin/sh", "-c", 'exec 9<&0 </dev/null; echo $$ >&9; exec "$@"', "sh"]


class EmbeddedError(Exception):
    """An embedded server can't be started, reached or stopped; the message says which one and why."""


class EmbeddedServer(ABC):
    """A server under DATA_DIR that many processes join and leave; the last one to leave stops it."""

    name: ClassVar[str]
    socket_name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.home = self.data_dir / self.name
        self._locks = self.data_dir / "embedded"
        self._log = self.data_dir / "logs" / f"{self.name}.log"
        self._users: int | None = None
        self._joined_by = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Return the address for clients, valid after join() and unchanged by a restart."""

    @abstractmethod
    def _answers(self) -> bool:
        """Return whether the server answers."""

    @abstractmethod
    def _command(self, lock: int) -> list[str]:
        """Prepare the data directory and return the server's command line; helpers inherit `lock`."""

    def _prepare(self) -> None:  # noqa: B027 - not every server needs it
        """Create what must exist inside the running server before use. Idempotent."""

    def _account(self) -> tuple[int, int] | None:
        """Return the user and group id of the server, None for those of this process."""
        return None

    def join(self) -> None:
        """Use the running server, or start it. Raises EmbeddedError."""
        if self._users is not None:
            return
        try:
            for folder in (self.data_dir, self._locks, self._log.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._guard():
                self._users = _open(self._path("users"))
                fcntl.flock(self._users, fcntl.LOCK_SH)
                self._joined_by = os.getpid()
                try:
                    self._ensure()
                except BaseException:
                    self._leave(stop=False)
                    raise
        except OSError as error:
            raise EmbeddedError(f"embedded {self.name} in {self.data_dir}: {error}") from error

    def leave(self, *, stop: bool = False) -> None:
        """Stop using the server; the last process, or any with `stop`, stops it. Harmless when not joined."""
        if self._users is None or self._joined_by != os.getpid():
            return
        with self._guard():
            self._leave(stop=stop)

    def alive(self) -> bool:
        """Return whether a process of the server exists, answering or not."""
        lock = _open(self._path("server"))
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        if self._process is not None:
            self._process.poll()
        return False

    def revive(self) -> None:
        """Start the server again after it died while in use. Raises EmbeddedError."""
        with self._guard():
            self._ensure()

    def pid(self) -> int | None:
        """Return the process id of the running server, None when there is none."""
        text = self._path("server").read_text() if self.alive() else ""
        return int(text.split()[-1]) if text else None

    def _path(self, lock: str) -> Path:
        return self._locks / f"{self.name}.{lock}"

    @contextmanager
    def _guard(self) -> Iterator[None]:
        lock = _open(self._path("guard"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _ensure(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        log_start = self._log.stat().st_size if self._log.exists() else 0
        started = False
        while not (self.alive() and self._answers()):
            if not self.alive():
                if started:
                    raise EmbeddedError(f"embedded {self.name} did not start: {self._log_since(log_start)}")
                self._start()
                started = True
            if time.monotonic() > deadline:
                log = self._log_since(log_start)
                raise EmbeddedError(
                    f"embedded {self.name} does not answer after {START_SECONDS:.0f} s: {log}"
                )
            time.sleep(POLL_SECONDS)
        self._prepare()

    def _start(self) -> None:
        lock = _open(self._path("server"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.truncate(lock, 0)
            command = self._command(lock)
            if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
                self._log.replace(self._log.with_suffix(".log.1"))
            with self._log.open("ab") as log:
                self._process = self._popen(command, lock, log)
        finally:
            os.close(lock)

    def _popen(self, command: list[str], lock: int, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start `command` detached from the terminal, under the server's account, holding the server lock."""
        account: dict[str, Any] = {}
        ids = self._account()
        if ids is not None:
            account = {"user": ids[0], "group": ids[1], "extra_groups": []}
        return subprocess.Popen(  # noqa: S603 - our own servers
            [*WITH_PID_IN_LOCK, *command],
            stdin=lock,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            # PG* variables of the caller would change what initdb and the server do.
            env={key: value for key, value in os.environ.items() if not key.startswith("PG")},
            start_new_session=True,
            umask=0o077,
            **account,
        )

    def _leave(self, *, stop: bool) -> None:
        users, self._users = self._users, None
        if users is None:
            return
        try:
            if stop or _is_last(users):
                self._stop()
        finally:
            os.close(users)

    def _stop(self) -> None:
        for number in (self.stop_signal, signal.SIGQUIT, signal.SIGKILL):
            self._signal(number)
            if wait_until(lambda: not self.alive(), STOP_SECONDS):
                break
        else:
            raise EmbeddedError(f"embedded {self.name} (pid {self.pid()}) does not stop")
        self._remove_short_folder()

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid()
        if pid is not None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                # The main process is gone; its children, which still hold the lock, are ending.
                return

    def _log_since(self, position: int) -> str:
        with self._log.open("rb") as log:
            log.seek(min(position, self._log.stat().st_size))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
        return " / ".join(lines[-5:]) or "it wrote no message"

    def _socket_folder(self) -> Path:
        """Return the folder of the unix socket: the data directory, or a short one if its path is unfit."""
        path = os.fsencode(self.home / self.socket_name)
        # A comma separates hosts in libpq's `host`, and a quote ends a name in PostgreSQL's settings.
        if len(path) < SOCKET_PATH_LIMIT and not set(path) & set(b',"'):
            return self.home
        return self._short_folder() or self._make_short_folder()

    def _short_folder(self) -> Path | None:
        record = self._path("socket")
        if not record.exists():
            return None
        home, folder = record.read_text().split("\n")
        # A copied DATA_DIR carries the record of the original.
        if home != str(self.home) or not Path(folder).is_dir():
            return None
        return Path(folder)

    def _make_short_folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="lm-", dir="/tmp"))
        ids = self._account()
        if ids is not None:
            os.chown(folder, *ids)
        self._path("socket").write_text(f"{self.home}\n{folder}")
        return folder

    def _remove_short_folder(self) -> None:
        folder = self._short_folder()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        self._path("socket").unlink(missing_ok=True)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll `condition` until it holds. Return False when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_last(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
