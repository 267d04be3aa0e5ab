"""Checkpoints of the chain, outside the database: what a cut tail or a rewritten chain is found by.

A line of JSON for each link: ``{"seq", "first", "last", "entries", "head", "time"}``.
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
    """The state of the chain after link ``seq``: ``entries`` in all; the link's first and last entry."""

    seq: int
    first: int
    last: int
    entries: int
    head: str
    time: str


def paths(settings: Settings) -> list[Path]:
    """The files that checkpoints go to: under DATA_DIR, and where AUDIT_CHECKPOINT_PATH says."""
    own = settings.data_dir / "audit" / "checkpoints.jsonl"
    return [own, settings.audit_checkpoint_path] if settings.audit_checkpoint_path else [own]


def append(settings: Settings, checkpoint: Checkpoint) -> None:
    """Add a checkpoint to each file, on disk when this returns. Raises OSError."""
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
    """All checkpoints of all files but torn last lines. Raises DomainError for a line that is none."""
    return [found for path in paths(settings) if path.is_file() for found in _of_file(path)]


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
    """The last whole line of the file under DATA_DIR."""
    path = paths(settings)[0]
    if not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2000))
        lines = [line for line in file.read().split(b"\n")[:-1] if line.startswith(b"{")]
    return Checkpoint(**json.loads(lines[-1])) if lines else None
