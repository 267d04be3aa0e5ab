"""Keeps what the product writes to its own account, whatever the umask it is started with."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: PostgreSQL's own account passes through the folder above its cluster when root runs the product
_PASSED_THROUGH = 0o711
#: embedded servers, which look after their files themselves
_SERVERS = ("postgres", "redis")


def keep_private(data_dir: Path) -> None:
    """Let nobody else read what this process writes from now on, nor list DATA_DIR."""
    os.umask(0o077)
    data_dir.mkdir(parents=True, exist_ok=True)
    _narrow(data_dir, _PASSED_THROUGH)


def tighten(data_dir: Path) -> None:
    """Take what an earlier version left readable for everybody away from them."""
    for folder, folders, files in os.walk(data_dir):
        if Path(folder) == data_dir:
            folders[:] = [name for name in folders if name not in _SERVERS]
        for name in (*folders, *files):
            _narrow(Path(folder) / name, 0o700)


def _narrow(path: Path, most: int) -> None:
    # Of another account, or gone meanwhile.
    with suppress(OSError):
        mode = path.lstat().st_mode & 0o777
        if mode & ~most and not path.is_symlink():
            path.chmod(mode & most)
