"""Start, adopt and stop the embedded PostgreSQL and Redis of a DATA_DIR."""

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
    """The settings that say where the services are."""

    @property
    def data_dir(self) -> Path:
        """Folder of everything the program keeps outside a database server."""

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL; empty for the embedded PostgreSQL."""

    @property
    def redis_url(self) -> str:
        """redis-py URL; empty for the embedded Redis."""


class Services:
    """PostgreSQL and Redis ready for use, embedded where no URL is configured. A context manager.

    `database_url` and `redis_url` are ready to connect to; `redis_url` is empty when Redis was not asked
    for. An embedded server is left on close() or at interpreter exit, and stopped when nobody else uses it;
    with `own` it is stopped in any case.
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
        """Leave the embedded servers. Repeatable."""
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
        # Registered first: leaving is harmless before joining, and an interrupt can come in between.
        self._leaving.callback(server.leave, stop=self._own)
        server.join()
        self.servers.append(server)
        return server.url


def services(settings: ServiceSettings, *, redis: bool = True, own: bool = False) -> Services:
    """Make PostgreSQL and, with `redis`, Redis ready: configured, running under DATA_DIR, or started now.

    Works beside other processes on the same DATA_DIR. `own` is for the supervisor: its servers stop with it
    even when it found them running. Raises EmbeddedError when an embedded server cannot be started.
    """
    return Services(settings, redis=redis, own=own)


def _exit_cleanly_on_sigterm() -> None:
    """Without a handler SIGTERM ends Python before it leaves the servers."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit_on_signal)


def _exit_on_signal(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
