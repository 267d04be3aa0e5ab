"""Which files count as call logs, and what identifies their content."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from app.activity.errors import ActivityError, UnreadableFile

ENDINGS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
#: what senders put behind the name of a file that they still write
HALF_WRITTEN = (".part", ".tmp")
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Fingerprint:
    """A file and its content: the SHA-256 (hex) and number of bytes after decompression."""

    path: Path
    digest: str
    size: int


def split_ending(path: Path) -> tuple[str, bool]:
    """The kind of file by its name (csv, jsonl, parquet or "" for none), and whether it is compressed."""
    name = path.name.lower()
    for ending in ENDINGS:
        if name.endswith(ending):
            return ending.split(".")[1], ending.endswith(".gz")
    return "", False


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The files that `paths` stand for, each once: themselves, or a folder's call logs, sorted, at any depth.

    Inside folders hidden and half-written files (.part, .tmp) and other endings are passed over.
    Raises ActivityError for a path that does not exist.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise ActivityError(f"{path}: no such file or folder")
        for file in _logs_in(path) if path.is_dir() else [path]:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def find_others(folder: Path) -> list[Path]:
    """A folder's files that are not named like call logs, sorted; hidden and half-written ones aside."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.suffix.lower() not in HALF_WRITTEN
        and not split_ending(path)[0]
    ]


def fingerprint(path: Path) -> Fingerprint:
    """Read a file to its end. Raises UnreadableFile when that fails or its name has no known ending."""
    digest, size = hashlib.sha256(), 0
    with open_content(path) as stream:
        for part in read_parts(stream):
            digest.update(part)
            size += len(part)
    return Fingerprint(path, digest.hexdigest(), size)


def open_content(path: Path) -> BinaryIO:
    """Open a file's decompressed bytes. Raises UnreadableFile."""
    kind, compressed = split_ending(path)
    if not kind:
        raise UnreadableFile(f"its name does not end in {', '.join(ENDINGS)}")
    try:
        if not path.is_file():
            raise UnreadableFile("it is not a regular file")
        if compressed and path.stat().st_size == 0:
            raise UnreadableFile("it is empty, not a gzip file")
        return cast(BinaryIO, gzip.open(path, "rb")) if compressed else path.open("rb")
    except OSError as error:
        raise UnreadableFile(f"it cannot be opened: {error.strerror or error}") from error


def read_parts(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of an opened file, a MiB at a time. Raises UnreadableFile when they end too early."""
    try:
        while part := stream.read(READ_BYTES):
            yield part
    except EOFError as error:
        raise UnreadableFile("the compressed data is cut off") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFile(f"it is not a sound gzip file: {error}") from error
    except OSError as error:
        raise UnreadableFile(f"it cannot be read: {error.strerror or error}") from error


def _logs_in(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(parent, name) for name in names if not name.startswith(".") and split_ending(Path(name))[0]
        ]
    return sorted(found)
