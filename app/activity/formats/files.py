"""Call-log files: how they are found, opened and identified by content."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from isal import igzip, isal_zlib

from app.activity.errors import ActivityError, RefusedFile
from app.lib.spreadsheet import printable_name

ENDINGS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
#: suffixes that senders use while they are writing a file
HALF_WRITTEN = (".part", ".tmp")
READ_BYTES = 1 << 20
#: bytes at the end of a file that are examined for a missing line ending
_TAIL_BYTES = 4096
#: what damaged compressed data raises
_DAMAGED = (igzip.BadGzipFile, cast(type[Exception], isal_zlib.error))


@dataclass(frozen=True)
class Fingerprint:
    """A file with its SHA-256 (hex) and number of bytes after decompression.

    `open_end` tells that the last line has no line ending and is not blank.
    """

    path: Path
    digest: str
    size: int
    open_end: bool = False


def split_ending(path: Path) -> tuple[str, bool]:
    """Return the kind of a file by name (csv, jsonl, parquet or "" for others), and if it is compressed."""
    name = path.name.lower()
    for ending in ENDINGS:
        if name.endswith(ending):
            return ending.split(".")[1], ending.endswith(".gz")
    return "", False


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files of `paths`, each once: given files, and call logs in folders at any depth, sorted.

    Hidden and half-written files (.part, .tmp) in folders are skipped, and so are other extensions. A folder
    that can't be listed is included, so that reading it reports the reason. Raises ActivityError for a path
    that does not exist.
    """
    files: dict[str, Path] = {}
    for path in paths:
        if not os.path.lexists(path):
            raise ActivityError("%(path)s: no such file or folder", path=printable_name(path))
        for file in _logs_in(path) if os.path.isdir(path) else [path]:
            files.setdefault(os.path.realpath(file), file)
    return list(files.values())


def find_others(folder: Path) -> list[Path]:
    """Return a folder's files with other extensions, sorted, without hidden and half-written ones."""
    return sorted(
        Path(parent, name)
        for parent, names in _walk(folder)
        for name in names
        if not split_ending(Path(name))[0]
        and not name.lower().endswith(HALF_WRITTEN)
        and os.path.isfile(os.path.join(parent, name))
    )


def fingerprint(path: Path) -> Fingerprint:
    """Fingerprint a file. Raises RefusedFile when it can't be read or its name has no known extension."""
    digest, size, tail = hashlib.sha256(), 0, b""
    with open_content(path) as stream:
        for part in read_parts(stream):
            digest.update(part)
            size += len(part)
            tail = (tail + part[-_TAIL_BYTES:])[-_TAIL_BYTES:]
    return Fingerprint(path, digest.hexdigest(), size, bool(re.split(rb"[\r\n]", tail)[-1].strip()))


def open_content(path: Path) -> BinaryIO:
    """Open a file for reading its decompressed bytes. Raises RefusedFile."""
    kind, compressed = split_ending(path)
    plain = open_file(path)
    try:
        if not kind:
            raise RefusedFile("its name does not end in %(endings)s", endings=", ".join(ENDINGS))
        if compressed and os.fstat(plain.fileno()).st_size == 0:
            raise RefusedFile("it is empty, not a gzip file")
    except RefusedFile:
        plain.close()
        raise
    if not compressed:
        return plain
    return cast(BinaryIO, igzip.IGzipFile(fileobj=plain))  # type: ignore[no-untyped-call]


def open_file(path: Path) -> BinaryIO:
    """Open a regular file, without waiting for pipes and devices. Raises RefusedFile for anything else."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise RefusedFile("it cannot be opened: %(why)s", why=error.strerror or str(error)) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise RefusedFile("it is not a regular file")
    return os.fdopen(handle, "rb")


def read_parts(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of an open file in parts of one MiB. Raises RefusedFile when they are truncated."""
    try:
        while part := stream.read(READ_BYTES):
            yield part
    except EOFError as error:
        raise RefusedFile("the compressed data is truncated") from error
    except _DAMAGED as error:
        raise RefusedFile("it is not a valid gzip file") from error
    except OSError as error:
        raise RefusedFile("it cannot be read: %(why)s", why=error.strerror or str(error)) from error


def _logs_in(folder: Path) -> list[Path]:
    unlisted: list[Path] = []
    logs = [
        Path(parent, name)
        for parent, names in _walk(folder, unlisted)
        for name in names
        if split_ending(Path(name))[0]
    ]
    # A file comes before the links to it.
    return sorted(logs + unlisted, key=lambda path: (path.is_symlink(), path))


def _walk(folder: Path, unlisted: list[Path] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield `folder` and its sub-folders with the names of their files, without hidden ones.

    Folders that can't be listed are added to `unlisted`.
    """

    def collect(error: OSError) -> None:
        if unlisted is not None and not isinstance(error, FileNotFoundError):
            unlisted.append(Path(error.filename))

    for parent, folders, names in os.walk(folder, onerror=collect):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield parent, [name for name in names if not name.startswith(".")]
