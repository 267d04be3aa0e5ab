"""Processes and waiting for the tests of the embedded servers and the supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil

from app.embedded.server import wait_until

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent


def settings(data_dir: Path, **urls: str) -> Any:
    return SimpleNamespace(data_dir=data_dir, **{"database_url": "", "redis_url": "", **urls})


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _as_from_a_careless_shell() -> None:
    os.umask(0)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Running:
    """A running script of this folder or file of the project; its output is collected in `lines`."""

    def __init__(self, script: Path, *arguments: str, **env: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell that runs the tests in the background passes on ignored signals and its umask.
            preexec_fn=_as_from_a_careless_shell,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def says(self, word: str, count: int = 1, seconds: float = 120) -> None:
        """Wait until `count` lines contain `word`."""
        assert wait_until(lambda: len(self.having(word)) >= count, seconds), f"no {word!r} in:\n{self.text}"

    def having(self, word: str) -> list[str]:
        return [line for line in list(self.lines) if word in line]

    def after_the_log_ins(self) -> list[str]:
        """Return the output after the address and the log-ins of the demo."""
        ready = next(place for place, line in enumerate(self.lines) if "Lead Monitor is ready" in line)
        return [line for line in self.lines[ready + 1 :] if " / " not in line]

    def end(self, number: signal.Signals | None = None, seconds: float = 120) -> int:
        """Send a signal, if any, and wait for the end. Return the exit status."""
        if number is not None:
            self.process.send_signal(number)
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip())


def open_to_others(data_dir: Path) -> list[str]:
    """Return what others can read, write or list below DATA_DIR, except folders that they only search."""
    paths = [data_dir, *(path for path in data_dir.rglob("*") if not path.is_symlink())]
    passed = (data_dir, data_dir / "postgres")
    modes = {path: path.lstat().st_mode & (0o066 if path in passed else 0o077) for path in paths}
    return sorted(str(path) for path, open_bits in modes.items() if open_bits)
