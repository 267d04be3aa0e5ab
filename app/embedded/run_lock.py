"""The lock that allows one `python run.py` per DATA_DIR."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path


class AlreadyRunningError(Exception):
    """Another run.py works on this DATA_DIR; the message gives its pid, address and start."""


@contextmanager
def run_lock(data_dir: Path, address: str, since: datetime) -> Iterator[None]:
    """Hold DATA_DIR/run.lock, which names this process. Raises AlreadyRunningError when it is held."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(data_dir / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(_describe_holder(data_dir, file.read())) from None
        file.truncate()
        json.dump({"pid": os.getpid(), "address": address, "since": since.isoformat(" ", "seconds")}, file)
        file.flush()
        yield


def _describe_holder(data_dir: Path, content: str) -> str:
    try:
        holder = json.loads(content)
    except ValueError:
        return f"Lead Monitor is just being started on {data_dir}; nothing was changed."
    return (
        f"Lead Monitor is already running on {data_dir}: pid {holder['pid']}, {holder['address']}, "
        f"since {holder['since']}; nothing was changed."
    )
