"""Run a command that ends with the supervisor, even after kill -9: `child.py SUPERVISOR_PID COMMAND…`.

It is run as a script, so that it starts without importing the application.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for SIGTERM when the supervisor dies, then execute the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the supervisor is gone")
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the supervisor's own programs


if __name__ == "__main__":
    main()
