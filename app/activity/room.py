"""Room on the disk: work that can't fit is refused before it starts."""

import shutil
from pathlib import Path

from app.activity.errors import ActivityError

#: what stays free for everything else on the disk
SPARE_BYTES = 256 << 20


def free(folder: Path) -> int:
    """Return the bytes that work may take on the disk of a folder."""
    return max(shutil.disk_usage(folder).free - SPARE_BYTES, 0)


def require(folder: Path, needed: int) -> None:
    """Raise ActivityError unless the disk of a folder has room for ``needed`` bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    there = free(folder)
    if needed > there:
        raise ActivityError(
            "there is not enough room on the disk of %(folder)s: about %(needed)s are needed, %(free)s are"
            " free. Nothing was changed; make room and do it again.",
            folder=str(folder),
            needed=_size(needed),
            free=_size(there),
        )


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.0f} MB"
