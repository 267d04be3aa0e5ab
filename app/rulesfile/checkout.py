"""The commit of configuration files that are kept in git."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SECONDS = 10


def commit_of(path: Path) -> str | None:
    """Return the commit of a file or folder, with a note when it has other content.

    Return None outside of a git repository, or without git.
    """
    folder = path if path.is_dir() else path.parent
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--", str(path.resolve()))
    return f"{commit} (changed since)" if changed else commit


def _git(folder: Path, *words: str) -> str | None:
    # The repository's own settings may name a program to start for each look at its files.
    command = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
