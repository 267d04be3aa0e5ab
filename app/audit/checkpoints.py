"""Checkpoints of the chain, kept outside the database to detect a truncated or rewritten chain.

Each link has a line of JSON: ``{"seq", "first", "last", "entries", "head", "time"}``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from app.errors import DomainError
from config import Settings


@dataclass(frozen=True)
class Checkpoint:
    """The state of the chain after link ``seq``: entries in total, and the link's first and last entry."""

    seq: int
    first: int
    last: int
    entries: int
    head: str
    time: str


def paths(settings: Settings) -> list[Path]:
    """Return the files of checkpoints: the one under DATA_DIR, and AUDIT_CHECKPOINT_PATH when it is set."""
    own = settings.data_dir / "audit" / "checkpoints.jsonl"
    return [own, settings.audit_checkpoint_path] if settings.audit_checkpoint_path else [own]


def append(settings: Settings, checkpoint: Checkpoint) -> None:
    """Append a checkpoint to each file and sync it to disk. Raises OSError."""
    line = json.dumps(asdict(checkpoint)).encode() + b"\n"
    for path in paths(settings):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)


def read(settings: Settings) -> list[Checkpoint]:
    """Return the checkpoints of all files, without incomplete last lines.

    Raises DomainError for an invalid line.
    """
    return [checkpoint for path in paths(settings) if path.is_file() for checkpoint in _of_file(path)]


def _of_file(path: Path) -> Iterator[Checkpoint]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield Checkpoint(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise DomainError(
                    "%(path)s, line %(line)s: not a checkpoint", path=str(path), line=number
                ) from error


def newest(settings: Settings) -> Checkpoint | None:
    """Return the newest checkpoint of the file under DATA_DIR, None when there is none."""
    path = paths(settings)[0]
    if not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2000))
        lines = [line for line in file.read().split(b"\n")[:-1] if line.startswith(b"{")]
    return Checkpoint(**json.loads(lines[-1])) if lines else None
