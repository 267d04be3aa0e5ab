"""The embedded PostgreSQL and Redis of a DATA_DIR: starting, joining and stopping them."""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import FrameType, TracebackType
from typing import Protocol, Self

from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis
from app.embedded.server import EmbeddedError, EmbeddedServer

__all__ = ["EmbeddedError", "ServiceSettings", "Services", "services"]


class ServiceSettings(Protocol):
    """The settings that locate the services."""

    @property
    def data_dir(self) -> Path:
        """Return the folder of everything that is kept outside a database server."""

    @property
    def database_url(self) -> str:
        """Return the SQLAlchemy URL, empty for the embedded PostgreSQL."""

    @property
    def redis_url(self) -> str:
        """Return the redis-py URL, empty for the embedded Redis."""


class Services:
    """PostgreSQL and Redis ready for use, embedded where no URL is configured. A context manager.

    `database_url` and `redis_url` can be connected to; `redis_url` is empty without Redis. On close() or at
    interpreter exit this process leaves the embedded servers. They stop when no other process uses them, and
    with `own` in any case.
    """

    def __init__(self, settings: ServiceSettings, *, redis: bool, own: bool) -> None:
        self.servers: list[EmbeddedServer] = []
        self._own = own
        self._leaving = ExitStack()
        atexit.register(self.close)
        try:
            self.database_url = settings.database_url or self._join(EmbeddedPostgres(settings.data_dir))
            self.redis_url = settings.redis_url
            if redis and not settings.redis_url:
                self.redis_url = self._join(EmbeddedRedis(settings.data_dir))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the embedded servers. Idempotent."""
        atexit.unregister(self.close)
        self._leaving.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _join(self, server: EmbeddedServer) -> str:
        _exit_cleanly_on_sigterm()
        # Registered before joining, since an interrupt can come in between; leaving is then harmless.
        self._leaving.callback(server.leave, stop=self._own)
        server.join()
        self.servers.append(server)
        return server.url


def services(settings: ServiceSettings, *, redis: bool = True, own: bool = False) -> Services:
    """Return PostgreSQL and, with `redis`, Redis: configured, already running under DATA_DIR, or started now.

    Several processes may do so on one DATA_DIR. `own` is for the supervisor: the servers stop with it even if
    they were running before. Raises EmbeddedError when an embedded server can't be started.
    """
    return Services(settings, redis=redis, own=own)


def _exit_cleanly_on_sigterm() -> None:
    """Install a SIGTERM handler, without which Python would end before it leaves the servers."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit_on_signal)


def _exit_on_signal(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
