"""File modes: what the product writes is private to its account, whatever the umask."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: When root runs the product, PostgreSQL's own account must pass through the folder above its cluster.
_PASSED_THROUGH = 0o711
#: folders of the embedded servers, which manage their own files
_SERVERS = ("postgres", "redis")


def keep_private(data_dir: Path) -> None:
    """Set umask and mode so that no other account can read new files or list DATA_DIR."""
    os.umask(0o077)
    data_dir.mkdir(parents=True, exist_ok=True)
    _narrow(data_dir, _PASSED_THROUGH)


def tighten(data_dir: Path) -> None:
    """Remove other accounts' access to files that an earlier version left readable."""
    for folder, folders, files in os.walk(data_dir):
        if Path(folder) == data_dir:
            folders[:] = [name for name in folders if name not in _SERVERS]
        for name in (*folders, *files):
            _narrow(Path(folder) / name, 0o700)


def _narrow(path: Path, most: int) -> None:
    # The file may belong to another account or be gone by now.
    with suppress(OSError):
        mode = path.lstat().st_mode & 0o777
        if mode & ~most and not path.is_symlink():
            path.chmod(mode & most)
