"""Two programs that wait at the supervisor's gate: run as `gated.py FOLDER` by the tests.

The database is ready when the file `prepared` is in the folder; with `failed` its preparation has failed. The
programs say in `events` what they do.
"""

from __future__ import annotations

import sys
from pathlib import Path

from app.embedded.supervisor import Program, Supervisor, interruptible

PROGRAM = """
import os, signal, sys

def say(what):
    with open(sys.argv[1] + "/events", "a") as events:
        events.write(f"{what} {sys.argv[2]} {os.getpid()}\\n")

say("loading")
import app.models
from app.embedded.gate import wait_at_gate
say("loaded")
wait_at_gate()
say("passed")
signal.pause()
"""


def main() -> int:
    folder = Path(sys.argv[1])

    def preparing() -> bool:
        if (folder / "failed").exists():
            raise SystemExit(1)
        return not (folder / "prepared").exists()

    def program(name: str) -> Program:
        return Program([sys.executable, "-c", PROGRAM, str(folder), name])

    with interruptible():
        Supervisor(
            {name: program(name) for name in ("first", "second")},
            servers=[],
            logs=folder / "logs",
            preparing=preparing,
            ready=lambda: (folder / "events").read_text().count("passed") >= 2,
            announce=lambda: sys.stdout.write("ready\n"),
        ).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
