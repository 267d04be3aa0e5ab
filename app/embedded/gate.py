"""The gate at which the supervisor's programs wait, with the application loaded, until the database is ready.

Loading takes each program some seconds of a processor, which `flask prepare` leaves mostly idle.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys

VARIABLE = "LEAD_MONITOR_GATE"


class Gate:
    """The supervisor's side of the gate. Programs inherit the descriptor ``fd`` and the ``environment``."""

    def __init__(self) -> None:
        self._own, self._theirs = socket.socketpair()
        self._own.setblocking(False)
        self._arrived = 0
        self.fd = self._theirs.fileno()
        self.environment = {VARIABLE: str(self.fd)}

    def arrived(self) -> int:
        """Return how many programs have come to the gate."""
        with contextlib.suppress(BlockingIOError):
            self._arrived += len(self._own.recv(1024))
        return self._arrived

    def open(self) -> None:
        """Let all programs pass, also those that come later."""
        self._own.send(b"1")

    def close(self) -> None:
        """Free the descriptors. Programs that still wait exit."""
        self._own.close()
        self._theirs.close()


def wait_at_gate() -> None:
    """Wait until the gate is open if the supervisor has given this process one. Exit when it is gone."""
    handle = os.environ.pop(VARIABLE, None)
    if handle is None:
        return
    with socket.socket(fileno=int(handle)) as gate:
        with contextlib.suppress(BlockingIOError):
            gate.send(b"1", socket.MSG_DONTWAIT)
        # Only looked at, because the other programs have to see it, too.
        is_open = gate.recv(1, socket.MSG_PEEK)
    if not is_open:
        sys.exit("the supervisor is gone")
