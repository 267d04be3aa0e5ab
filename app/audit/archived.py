"""Archive files: one entry per line as canonical JSON, in the order of the chain."""

from __future__ import annotations

import gzip
import hashlib
import heapq
import json
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from app.errors import DomainError
from config import Settings


class Archived(NamedTuple):
    """An archived entry: its position in the chain (floor, transaction, id) and its own hash."""

    floor: int
    xid: int
    id: int
    hash: bytes


def folder(settings: Settings) -> Path:
    """Return the folder of the archive files."""
    return settings.data_dir / "audit" / "archive"


class Archives:
    """The entries of all archive files, read once in the order of the chain.

    ``floors`` are those of its links.
    """

    def __init__(self, settings: Settings, floors: list[int]) -> None:
        self._floors = sorted(floors)
        files = sorted(folder(settings).glob("*.jsonl.gz"))
        self._entries = heapq.merge(*(self._of_file(path) for path in files))
        self._next = next(self._entries, None)

    def until(self, floor: int, to_xid: int) -> dict[int, bytes]:
        """Take the entries that come before the end of a link. Return their hashes by id."""
        hashes = {}
        while self._next is not None and (self._next.floor, self._next.xid) < (floor, to_xid):
            hashes[self._next.id] = self._next.hash
            self._next = next(self._entries, None)
        return hashes

    def _of_file(self, path: Path) -> Iterator[Archived]:
        try:
            with gzip.open(path, "rb") as lines:
                for line in lines:
                    yield self._entry(line.rstrip(b"\n"))
        except (OSError, EOFError, ValueError, IndexError, TypeError) as error:
            raise DomainError("%(path)s is not an archive of the change log", path=str(path)) from error

    def _entry(self, line: bytes) -> Archived:
        id_, _time, xid = json.loads(line)[:3]
        index = bisect_left(self._floors, id_) - 1
        floor = self._floors[index] if index >= 0 else 0
        return Archived(floor, xid, id_, hashlib.sha256(line).digest())
