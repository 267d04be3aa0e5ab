"""Entry point: `python run.py` runs the whole product on one machine; `run:app` is for a WSGI server."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.embedded import EmbeddedError, Services, services
from app.embedded.run_lock import AlreadyRunningError, run_lock
from app.embedded.server import wait_until
from app.embedded.supervisor import Program, Supervisor, as_child, interruptible
from app.lib.file_modes import keep_private
from config import ConfigError, Settings, load_settings

if TYPE_CHECKING:
    from flask import Flask

LOOPBACK_OF_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound
# After a run.py was killed, its web process may hold the port for a moment.
PORT_SECONDS = 5.0
WEB_OPTIONS = (
    "--preload --no-control-socket"
    " --worker-class=gthread --workers=2 --threads=4 --timeout=120 --graceful-timeout=2"
)


class PortTakenError(Exception):
    """Another program listens on the address of the web app."""


class NotPreparedError(Exception):
    """`flask prepare` failed; its own output says why."""


def __getattr__(name: str) -> Flask:
    """Create `app` when a WSGI server asks for it, so that `python run.py` itself loads no application."""
    if name != "app":
        raise AttributeError(name)
    from app import create_web
    from app.embedded.gate import wait_at_gate
    from app.extensions import db
    from app.installation import guard

    application: Flask = create_web()
    wait_at_gate()
    guard(application)
    # The web processes are forked from this one; each needs its own connections.
    with application.app_context():
        db.engine.dispose()
    globals()["app"] = application
    return application


def main() -> int:
    """Run everything until interrupted. Return the exit status."""
    try:
        with interruptible():
            _run(load_settings())
    except NotPreparedError:
        return 1
    except (AlreadyRunningError, ConfigError, EmbeddedError, PortTakenError) as error:
        sys.stderr.write(f"run.py: {error}\n")
        return 1
    return 0


def _run(settings: Settings) -> None:
    settings.check_production()
    keep_private(settings.data_dir)
    since = datetime.now(settings.zone)
    with run_lock(settings.data_dir, _address(settings), since):
        _say(f"Starting on {settings.data_dir} …")
        with _listen(settings) as listener, services(settings, own=True) as ready:
            _share(settings, ready)
            with _preparation() as preparing:
                Supervisor(
                    _programs(listener),
                    servers=ready.servers,
                    logs=settings.data_dir / "logs",
                    preparing=preparing,
                    ready=lambda: _answers(settings),
                    announce=lambda: _announce(settings),
                ).run()


def _say(text: str) -> None:
    # Go on when nobody reads our output any more.
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def _share(settings: Settings, ready: Services) -> None:
    """Set the environment that all programs share: services and folders."""
    os.environ.update(
        DATA_DIR=str(settings.data_dir),
        DATABASE_URL=ready.database_url,
        REDIS_URL=ready.redis_url,
        PYTHONUNBUFFERED="1",
    )
    os.chdir(Path(__file__).parent)


def _address(settings: Settings) -> str:
    """Return the address of the web app for a browser on this machine."""
    host = LOOPBACK_OF_ANY.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _listen(settings: Settings) -> socket.socket:
    """Open the web app's socket here, so that a restart of the web process refuses no connection."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    problem: list[OSError] = []

    def bound() -> bool:
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            problem[:] = [error]
            return False
        return True

    if not wait_until(bound, PORT_SECONDS):
        listener.close()
        raise PortTakenError(
            f"cannot listen on {settings.host} port {settings.port} ({problem[0].strerror}); "
            "nothing was started; set HOST or PORT to use another address"
        )
    listener.listen(128)
    return listener


@contextlib.contextmanager
def _preparation() -> Iterator[Callable[[], bool]]:
    """Run `flask prepare` in a process of its own, so that this one never loads the application.

    Yield a function that returns whether it still runs, and raises NotPreparedError when it has failed.
    """
    flask = [sys.executable, "-m", "flask", "--app", "app", "prepare"]
    # It has its own session, so that Ctrl-C reaches only this process, which passes it on.
    with subprocess.Popen(as_child(flask), start_new_session=True) as preparing:  # noqa: S603 - our own program

        def runs() -> bool:
            if preparing.poll():
                raise NotPreparedError
            return preparing.returncode is None

        try:
            yield runs
        finally:
            preparing.terminate()


def _programs(listener: socket.socket) -> dict[str, Program]:
    from app.jobs import QUEUES

    python = [sys.executable, "-m"]
    flask = [*python, "flask", "--app", "app"]
    web = [*python, "gunicorn", *WEB_OPTIONS.split(), f"--bind=fd://{listener.fileno()}", "run:app"]
    workers = {f"worker-{queue}": Program([*flask, "worker", queue]) for queue in QUEUES}
    return {"web": Program(web, fds=(listener.fileno(),)), "ticker": Program([*flask, "ticker"]), **workers}


def _answers(settings: Settings) -> bool:
    try:
        with urllib.request.urlopen(f"{_address(settings)}/readyz", timeout=2) as response:  # noqa: S310 - http
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _announce(settings: Settings) -> None:
    _say(f"\nLead Monitor is ready: {_address(settings)}    (Ctrl-C stops everything)")
    if not settings.production:
        from app.demo.logins import logins

        for role, username, password in logins():
            _say(f"  {role}: {username} / {password}")


if __name__ == "__main__":
    sys.exit(main())
