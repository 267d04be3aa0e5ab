"""A small product for the supervisor: run as `supervised.py DATA_DIR` by the tests.

Its programs are a clock that says its pid and a worker with a helper in a process group of its own, as RQ's
workers have.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from app.embedded import services
from app.embedded.run_lock import AlreadyRunningError, run_lock
from app.embedded.supervisor import Program, Supervisor, interruptible
from tests import clock

CLOCK = "import os, signal; os.write(1, b'clock pid %d\\n' % os.getpid()); signal.pause()"
WORKER = r"""
import os, signal
helper = os.fork()
if not helper:
    os.setpgrp()
os.write(1, b"%s pid %d\n" % (b"worker" if helper else b"helper", os.getpid()))
signal.pause()
"""


def main() -> int:
    data_dir = Path(sys.argv[1])
    settings = cast(Any, SimpleNamespace(data_dir=data_dir, database_url="", redis_url=""))
    try:
        with (
            interruptible(),
            run_lock(data_dir, "http://127.0.0.1:1", clock.now()),
            services(settings, own=True) as ready,
        ):
            Supervisor(
                {
                    "clock": Program([sys.executable, "-c", CLOCK]),
                    "worker": Program([sys.executable, "-c", WORKER]),
                },
                servers=ready.servers,
                logs=data_dir / "logs",
                preparing=lambda: False,
                ready=lambda: (data_dir / "logs" / "worker.log").exists(),
                announce=lambda: sys.stdout.write("ready\n"),
            ).run()
    except AlreadyRunningError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
