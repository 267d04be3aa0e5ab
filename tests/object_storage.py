"""A real S3 server (SeaweedFS) on loopback, and a wire before it that tests can cut."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from botocore.exceptions import BotoCoreError

from app.activity import objects
from app.activity.objects import ObjectStore

BUCKET = "lead-monitor-tests"
KEY, SECRET = "tests", "a-secret-of-tests-only"
#: signed requests need the key; unsigned ones may do the same, for servers whose answers tests change
_IDENTITIES = {
    "identities": [
        {
            "name": "tests",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List"],
        },
        {"name": "anonymous", "actions": ["Admin", "Read", "Write", "List"]},
    ]
}
_PORTS = ("master", "volume", "filer", "s3")
WEED = Path(sys.executable).parent / "weed"


class Wire:
    """A connection to the server through a port of its own. It can be cut, and lose or change messages."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.port = self._listener.getsockname()[1]
        #: a request with this beginning cuts the connection; all later ones too, until it is mended
        self.cut_before = b""
        #: the answer to the next request with this beginning is lost
        self.lose_answer_to = b""
        #: whether the server is never told the conditions of requests
        self.drops_conditions = False
        self.is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the server on this wire."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
        self._cut()

    def mend(self) -> None:
        """Be a good connection again."""
        self.cut_before, self.lose_answer_to, self.drops_conditions, self.is_cut = b"", b"", False, False

    def _cut(self) -> None:
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self.is_cut:
            client.close()
            return
        with client, contextlib.ExitStack() as stack:
            try:
                server = stack.enter_context(socket.create_connection(("127.0.0.1", self._server)))
            except ConnectionRefusedError:
                return
            self._open |= {client, server}
            back = threading.Thread(target=self._carry, args=(server, client), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                while data := client.recv(1 << 16):
                    if self.cut_before and data.startswith(self.cut_before):
                        self.is_cut = True
                        self._cut()
                        break
                    if self.lose_answer_to and data.startswith(self.lose_answer_to):
                        self.lose_answer_to = b""
                        client.shutdown(socket.SHUT_WR)
                        server.sendall(data)
                        server.settimeout(None)
                        server.recv(1 << 16, socket.MSG_PEEK)
                        break
                    if self.drops_conditions:
                        data = data.replace(b"If-Match:", b"X--Match:").replace(
                            b"If-None-Match:", b"X--None-Match:"
                        )
                    server.sendall(data)
            self._open -= {client, server}

    def _carry(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Wire]:
    """Run a server whose data lie in ``folder``. The AWS SDK of this process and its children finds it."""
    with contextlib.ExitStack() as stack:
        frees = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2 * len(_PORTS))]
        ports = [free.getsockname()[1] for free in frees]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "s3.json").write_text(json.dumps(_IDENTITIES))
    words = [
        WEED,
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-filer",
        "-s3",
        f"-s3.config={folder}/s3.json",
    ]
    words += ["-master.telemetry=false", "-s3.iam=false", "-master.volumeSizeLimitMB=64", "-volume.max=40"]
    for name, port, grpc in zip(_PORTS, ports[:4], ports[4:], strict=True):
        words += [f"-{name}.port={port}", f"-{name}.port.grpc={grpc}"]
    with (folder / "log").open("wb") as log, pytest.MonkeyPatch.context() as patch:
        server = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder)
        wire = Wire(ports[3])
        try:
            patch.setenv("AWS_ACCESS_KEY_ID", KEY)
            patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
            patch.setenv("AWS_REGION", "us-east-1")
            patch.setenv("AWS_ENDPOINT_URL", wire.url)
            patch.setenv("AWS_MAX_ATTEMPTS", "1")
            forget()
            _make_bucket(server)
            yield wire
        finally:
            wire.close()
            server.kill()
            server.wait()
            forget()
            for socket_file in Path("/tmp").glob("seaweedfs-*-grpc-*.sock"):
                if int(socket_file.stem.rpartition("-")[2]) in ports:
                    socket_file.unlink()


def _make_bucket(server: subprocess.Popen[bytes]) -> None:
    """Wait until all parts of the server have started, when it makes a bucket and takes a file."""
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.retries = 1
    while True:
        with contextlib.suppress(OSError, BotoCoreError):
            if not files.exists(BUCKET):
                files.mkdir(BUCKET)
            files.pipe_file(f"{BUCKET}/ready", b"yes")
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"the server ended with status {server.wait(0.1)}")


def forget() -> None:
    """Let this process connect anew, with the present environment."""
    objects._file_system.cache_clear()


def new_store(folder: Path, prefix: str = "") -> ObjectStore:
    """Return a store as a machine with this folder sees it."""
    return ObjectStore(f"s3://{BUCKET}/{prefix or uuid.uuid4().hex}", folder)


def other_machine(store: ObjectStore, folder: Path) -> ObjectStore:
    """Return the same store as another machine sees it."""
    return ObjectStore(store.url, folder)


def environment() -> dict[str, str]:
    """Return the variables by which another process finds the server."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def within(environ: dict[str, str], work: Callable[..., None], *arguments: Any) -> None:
    """Work in an environment. A fork server gives its processes that of the test which started it."""
    os.environ.update(environ)
    work(*arguments)
