"""A store in object storage: immutable objects, and a manifest that is replaced by conditional writes.

This machine writes and reads the files in a folder of its own, which keeps what was used last. A writer
uploads its files before it replaces the manifest, on condition that it is still the one that the writer has
read: who comes second has changed nothing. A lease keeps most writers from getting that far in vain.
"""

import fcntl
import json
import logging
import os
import random
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import Any

from app.activity import room
from app.activity.errors import ActivityError

MANIFEST = "manifest.json"
LOCK = "lock.json"
#: a writer whose lease did not change for so long counts as gone, by the clock of whoever waits
LEASE_SECONDS = 30.0
RENEW_SECONDS = 8.0
POLL_SECONDS = 0.5
#: journal files are merged when there are so many
JOURNAL_FILES = 64
#: what was read within these seconds may be in use and is not evicted; younger strays may belong to a writer
IN_USE_SECONDS = 3600
#: requests at once, and bytes of a file in one; memory is bounded by their product
CONNECTIONS = 4
CHUNK_BYTES = 16 << 20
#: how often a request is tried, where AWS_MAX_ATTEMPTS does not say
ATTEMPTS = 3
#: the answers to a write whose condition doesn't hold
_REFUSALS = (
    (412, "PreconditionFailed"),
    (409, "ConditionalRequestConflict"),
    (404, "NoSuchKey"),
)
_LOG = logging.getLogger(__name__)


class NotKept(Exception):
    """A conditional write was refused: somebody else has written."""


@dataclass(frozen=True)
class ObjectStore:
    """The store below an address such as ``s3://bucket/prefix``, with a folder of this machine before it.

    Credentials, region and endpoint are the usual ones of the AWS SDK: its variables and files. The folder
    keeps up to `cache_bytes` of what is not in use.
    """

    url: str
    folder: Path
    cache_bytes: int = 20 << 30

    def suffix(self) -> str:
        """See ``Place``. A writer whose lease was lost may still upload."""
        return f"-{uuid.uuid4().hex[:12]}"

    def __str__(self) -> str:
        return self.url

    # -- the lease ----------------------------------------------------------------------------
    @contextmanager
    def locked(self) -> Iterator[None]:
        """See ``Place``: first among the processes of this machine, then among machines."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.seek(0)
            # Whoever had the lease under this folder's name has lost the lock above, so it is gone.
            mine = lock.read().strip() or f"{socket.gethostname()} {uuid.uuid4().hex}"
            lock.truncate(0)
            lock.write(mine)
            lock.flush()
            mark, ended = self._take(mine), Event()
            renewing = Thread(target=self._renew, args=(mine, mark, ended), daemon=True)
            renewing.start()
            try:
                yield
            finally:
                ended.set()
                renewing.join()
                self._let_go(mine)

    def _take(self, mine: str) -> str:
        """Wait until the lease is free or its holder is gone, and take it. Return its mark."""
        seen, since = "", time.monotonic()
        while True:
            found = self._read(LOCK)
            held = json.loads(found[0]) if found else {}
            mark = found[1] if found else ""
            if mark != seen:
                seen, since = mark, time.monotonic()
            if held.get("by") in (None, mine) or time.monotonic() - since > LEASE_SECONDS:
                with suppress(NotKept):
                    return self._write(LOCK, _lease(mine), mark)
            # Those who wait must not ask in step.
            time.sleep(POLL_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - no secret

    def _renew(self, mine: str, mark: str, ended: Event) -> None:
        while not ended.wait(RENEW_SECONDS):
            try:
                mark = self._write(LOCK, _lease(mine), mark)
            except NotKept:
                # Another machine took this one for gone. The manifest's own condition decides who was first.
                _LOG.warning("the lease of %s was lost", self)
                return
            except ActivityError as error:
                _LOG.warning("the lease was not renewed: %s", error)

    def _let_go(self, mine: str) -> None:
        try:
            found = self._read(LOCK)
            if found and json.loads(found[0]).get("by") == mine:
                self._write(LOCK, _lease(None), found[1])
        except ActivityError as error:
            _LOG.warning("the lease was not given back, it runs out by itself: %s", error)

    # -- the manifest -------------------------------------------------------------------------
    def manifest(self) -> tuple[bytes, str] | None:
        """See ``Place``."""
        return self._read(MANIFEST)

    def stage(self, manifest: bytes) -> None:
        """See ``Place``."""

    def swap(self, manifest: bytes, mark: str) -> str:
        """See ``Place``."""
        try:
            return self._write(MANIFEST, manifest, mark)
        except NotKept as error:
            raise ActivityError(
                "another machine has written to the activity store %(place)s at the same time. Nothing of"
                " this attempt is stored; do it again.",
                place=self.url,
            ) from error
        except ActivityError:
            # Perhaps only the answer was lost.
            found = self._read(MANIFEST)
            if found and found[0] == manifest:
                return found[1]
            raise

    # -- data files ---------------------------------------------------------------------------
    def obtain(self, sizes: Mapping[str, int]) -> None:
        """See ``Place``. Raises ActivityError, before any download, when the disk has no room for them."""
        wanted = {name: size for name, size in sizes.items() if not self._is_here(name)}
        if not wanted:
            return
        room.require(self.folder, sum(wanted.values()))
        scratch = Path(tempfile.mkdtemp(prefix="new-", dir=_made(self.folder / "tmp")))
        try:
            self._each(lambda name: self._download(name, wanted[name], scratch), wanted)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self._evict()

    def _is_here(self, name: str) -> bool:
        """Return whether the folder has a file, and note that it is used."""
        path = self.folder / name
        try:
            # The engine knows a file's parts by its time of change, so that one is kept.
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        except FileNotFoundError:
            return False
        return True

    def _download(self, name: str, size: int, scratch: Path) -> None:
        part = scratch / name.replace("/", "-")
        with self._asked() as files:
            files.get_file(self._key(name), str(part))
        if size and part.stat().st_size != size:
            raise self._no_answer(f"{name} came with another size")
        _made((self.folder / name).parent)
        os.replace(part, self.folder / name)

    def _evict(self) -> None:
        """Delete what was not used for longest, down to `cache_bytes`, unless it may be in use."""
        found = []
        for path in self.folder.glob("*/**/*"):
            with suppress(FileNotFoundError):
                if path.is_file() and path.relative_to(self.folder).parts[0] != "tmp":
                    found.append((path.stat().st_atime, path.stat().st_size, path))
        total = sum(size for _used, size, _path in found)
        limit = time.time() - IN_USE_SECONDS
        for _used, size, path in sorted(found):
            if total <= self.cache_bytes:
                return
            with suppress(FileNotFoundError):
                if path.stat().st_atime < limit:
                    path.unlink()
                    total -= size

    def publish(self, names: Collection[str]) -> dict[str, int]:
        """See ``Place``."""
        self._each(self._upload, sorted(names))
        return {name: (self.folder / name).stat().st_size for name in names}

    def _upload(self, name: str) -> None:
        with self._asked() as files:
            files.put_file(str(self.folder / name), self._key(name), chunksize=CHUNK_BYTES, max_concurrency=1)

    def journal(self, committed: int, names: Sequence[str]) -> bytes:
        """See ``Place``."""
        self.obtain(dict.fromkeys(names, 0))
        return b"".join((self.folder / name).read_bytes() for name in names)

    def append(
        self, committed: int, names: Sequence[str], lines: bytes, name: str
    ) -> tuple[int, tuple[str, ...]]:
        """See ``Place``."""
        if not lines:
            return committed, tuple(names)
        if len(names) >= JOURNAL_FILES:
            names, lines = (), self.journal(committed, names) + lines
        path = self.folder / f"{name}.jsonl"
        _made(path.parent)
        path.write_bytes(lines)
        return 0, (*names, f"{name}.jsonl")

    def delete(self, names: Iterable[str]) -> None:
        """See ``Place``."""
        for name in names:
            with self._asked() as files, suppress(FileNotFoundError):
                files.rm_file(self._key(name))
            (self.folder / name).unlink(missing_ok=True)

    def missing(self, names: Collection[str]) -> list[str]:
        """See ``Place``."""
        there = self._listed()
        return [name for name in names if name not in there]

    def sweep(self, keep: Callable[[], Collection[str]]) -> None:
        """See ``Place``. Young objects may belong to a writer that has not committed yet."""
        limit = datetime.now(UTC) - timedelta(seconds=IN_USE_SECONDS)
        # Listed before asking what is in use: what another machine commits in between is not in the list.
        old = {name for name, changed in self._listed().items() if changed < limit}
        kept = {MANIFEST, LOCK, *keep()}
        self.delete(name for name in sorted(old) if name not in kept and not name.startswith("rejected/"))

    def check(self) -> None:
        """Raise ActivityError when the storage can't be used or ignores the conditions of writes."""
        name = f"check-{uuid.uuid4().hex}.json"
        try:
            first = self._write(name, b"1", "")
            second = self._write(name, b"2", first)
            for mark in ("", first):
                with suppress(NotKept):
                    self._write(name, b"3", mark)
                    raise ActivityError(
                        "the object storage of %(place)s ignores the conditions of writes (If-Match and"
                        " If-None-Match): two machines could overwrite each other's work",
                        place=self.url,
                    )
            if self._read(name) != (b"2", second):
                raise self._no_answer("it does not return what was written")
        finally:
            self.delete([name])

    # -- requests -----------------------------------------------------------------------------
    def _listed(self) -> dict[str, datetime]:
        """Return all objects with the time of their upload."""
        with self._asked() as files:
            found = files.find(self._key(""), detail=True)
        start = len(self._key(""))
        return {key[start:]: entry["LastModified"] for key, entry in found.items() if entry["type"] == "file"}

    def _read(self, name: str) -> tuple[bytes, str] | None:
        """Return an object's content and mark as of one moment, None when there is none."""
        with self._asked() as files:
            from fsspec.asyn import sync

            bucket, key, _version = files.split_path(self._key(name))
            try:
                return sync(files.loop, _got, files, bucket, key)
            except FileNotFoundError as error:
                if _answer(error)[1] == "NoSuchBucket":
                    raise self._no_answer(str(error)) from error
                return None

    def _write(self, name: str, content: bytes, mark: str) -> str:
        """Write an object if it has this mark, or if there is none and the mark is empty. Return its mark.

        Raises NotKept otherwise. A write that was repeated because its answer got lost finds its own content.
        """
        condition: dict[str, str] = {"IfMatch": mark} if mark else {"mode": "create"}
        with self._asked() as files:
            try:
                return str(files.pipe_file(self._key(name), content, **condition)["ETag"])
            except OSError as error:
                if _answer(error) not in _REFUSALS:
                    raise self._no_answer(str(error)) from error
            found = self._read(name)
            if found and found[0] == content:
                return found[1]
            raise NotKept(name)

    def _key(self, name: str) -> str:
        return f"{self.url.split('://', 1)[1].rstrip('/')}/{name}"

    def _each(self, work: Callable[[str], None], names: Iterable[str]) -> None:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for done in [pool.submit(work, name) for name in names]:
                done.result()

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        """Yield the file system. Raises ActivityError in place of all that it may raise, but not found."""
        import aiohttp
        from botocore.exceptions import BotoCoreError

        try:
            yield _file_system(os.getpid())
        except FileNotFoundError:
            raise
        except (OSError, BotoCoreError, aiohttp.ClientError) as error:
            raise self._no_answer(str(error) or type(error).__name__) from error

    def _no_answer(self, why: str) -> ActivityError:
        return ActivityError(
            "the activity store %(place)s can't be used: %(why)s", place=self.url, why=why.strip()
        )


def _lease(by: str | None) -> bytes:
    """Return a lease that differs from each other one, so that its mark changes when it is renewed."""
    return json.dumps(
        {"by": by, "host": socket.gethostname(), "pid": os.getpid(), "n": uuid.uuid4().hex}
    ).encode()


@cache
def _file_system(process: int) -> Any:
    """Return the file system of a process, whose connections all threads share and no fork inherits."""
    import fsspec

    # What answers pages must not wait for long.
    tries = {} if "AWS_MAX_ATTEMPTS" in os.environ else {"retries": {"total_max_attempts": ATTEMPTS}}
    options = {"connect_timeout": 5, "read_timeout": 60, **tries}
    made = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True, config_kwargs=options)
    # The SDK repeats requests already.
    made.retries = 1
    return made


async def _got(files: Any, bucket: str, key: str) -> tuple[bytes, str]:
    """Return content and mark of an object by one request."""
    answer = await files._call_s3("get_object", Bucket=bucket, Key=key)
    async with answer["Body"] as body:
        return await body.read(), answer["ETag"]


def _answer(error: OSError) -> tuple[int, str]:
    """Return status and code of the answer that an error stands for."""
    response = getattr(error.__cause__, "response", None) or {}
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status, response.get("Error", {}).get("Code", "")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
