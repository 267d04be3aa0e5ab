"""Where a store lies: in a folder, or in object storage with a folder of this machine before it.

A place knows nothing of what the files mean. Its `folder` is where this machine writes and reads data files;
`manifest`, `swap` and `locked` are what makes a commit one step for everybody.
"""

import fcntl
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from app.activity.objects import MANIFEST, ObjectStore

JOURNAL = "deliveries.jsonl"
#: where a store lies, as callers name it
Root: TypeAlias = Path | ObjectStore


class Place(Protocol):
    """The files of a store."""

    @property
    def folder(self) -> Path:
        """The folder in which this machine writes and reads data files."""

    def suffix(self) -> str:
        """Return what the names of a writer's new files end in, so that no two writers mean the same one."""

    def locked(self) -> AbstractContextManager[None]:
        """Keep other writers out while the context lasts."""

    def manifest(self) -> tuple[bytes, str] | None:
        """Return the manifest and its mark for `swap`, None when there is none."""

    def obtain(self, sizes: Mapping[str, int]) -> None:
        """See to it that the named files are in the folder. ``sizes`` are their bytes, 0 where unknown.

        Raises FileNotFoundError when there is none, and ActivityError when they can't be had.
        """

    def journal(self, committed: int, names: Sequence[str]) -> bytes:
        """Return the lines of the journal: the first ``committed`` bytes, or those of the named files."""

    def append(
        self, committed: int, names: Sequence[str], lines: bytes, name: str
    ) -> tuple[int, tuple[str, ...]]:
        """Append lines to the journal, in a new file ``name`` if need be. Return its bytes and files."""

    def publish(self, names: Collection[str]) -> dict[str, int]:
        """Make files of the folder durable for all readers. Return the sizes to keep in the manifest."""

    def stage(self, manifest: bytes) -> None:
        """Prepare `swap`, which nobody sees yet."""

    def swap(self, manifest: bytes, mark: str) -> str:
        """Replace the manifest that has this mark (empty: there is none) by the staged one, in one step.

        Return the new mark. Raises ActivityError when another writer has replaced it.
        """

    def delete(self, names: Iterable[str]) -> None:
        """Delete files that no reader needs any more."""

    def missing(self, names: Collection[str]) -> list[str]:
        """Return which of the named files are not there."""

    def sweep(self, keep: Callable[[], Collection[str]]) -> None:
        """Delete what crashes have left outside the folder. ``keep`` returns the names of what is in use."""


def place_of(root: Root) -> Place:
    """Return the place that a caller names."""
    return Folder(root) if isinstance(root, Path) else root


@dataclass(frozen=True)
class Folder:
    """A folder of this machine, or one that several share."""

    folder: Path

    def suffix(self) -> str:
        """See ``Place``. The lock keeps other writers out."""
        return ""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See ``Place``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def manifest(self) -> tuple[bytes, str] | None:
        """See ``Place``."""
        try:
            return (self.folder / MANIFEST).read_bytes(), ""
        except FileNotFoundError:
            return None

    def obtain(self, sizes: Mapping[str, int]) -> None:
        """See ``Place``."""

    def journal(self, committed: int, names: Sequence[str]) -> bytes:
        """See ``Place``."""
        if not committed:
            return b""
        with (self.folder / JOURNAL).open("rb") as stream:
            return stream.read(committed)

    def append(
        self, committed: int, names: Sequence[str], lines: bytes, name: str
    ) -> tuple[int, tuple[str, ...]]:
        """See ``Place``. What a crash has left behind the committed bytes is overwritten."""
        with (self.folder / JOURNAL).open("ab") as stream:
            stream.truncate(committed)
            stream.write(lines)
            stream.flush()
            os.fsync(stream.fileno())
            return os.fstat(stream.fileno()).st_size, ()

    def publish(self, names: Collection[str]) -> dict[str, int]:
        """See ``Place``. Files of a folder have their size themselves."""
        files = {self.folder / name for name in names}
        parents = {path.parent for path in files}
        for path in (*sorted(files), *sorted(parents | {path.parent for path in parents})):
            _sync(path)
        return {}

    def stage(self, manifest: bytes) -> None:
        """See ``Place``."""
        self._staged.write_bytes(manifest)
        _sync(self._staged)

    def swap(self, manifest: bytes, mark: str) -> str:
        """See ``Place``. The lock has kept others out."""
        os.replace(self._staged, self.folder / MANIFEST)
        _sync(self.folder)
        return ""

    @property
    def _staged(self) -> Path:
        return self.folder / f"{MANIFEST}.tmp"

    def delete(self, names: Iterable[str]) -> None:
        """See ``Place``."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def missing(self, names: Collection[str]) -> list[str]:
        """See ``Place``."""
        return [name for name in names if not (self.folder / name).is_file()]

    def sweep(self, keep: Callable[[], Collection[str]]) -> None:
        """See ``Place``. All there is lies in the folder."""

    def __str__(self) -> str:
        return str(self.folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
