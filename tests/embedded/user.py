"""A command-line program that uses the embedded servers: `user.py DATA_DIR [wait] [nobody]`.

It prints the pids of the servers; with `wait` it stays until it is ended, with `nobody` it gives up root.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - likewise
import os
import secrets  # noqa: F401 - redis-py imports it late, when `nobody` may not read the library any more
import signal
import sys
from pathlib import Path

import redis.backoff  # noqa: F401 - likewise

from app.embedded import services
from tests.embedded.support import settings

NOBODY = 65534


def main() -> None:
    if "nobody" in sys.argv and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    with services(settings(Path(sys.argv[1]))) as ready:
        sys.stdout.write(f"pids {' '.join(str(server.pid()) for server in ready.servers)}\n")
        if "wait" in sys.argv:
            signal.pause()


if __name__ == "__main__":
    main()
