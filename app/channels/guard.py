"""Outgoing HTTP requests, restricted to allowed hosts and to the very address that was checked.

httpcore is used instead of httpx because its network backend is a public hook for resolving names. So the
address that was checked is the one connected to, whatever the name server says a moment later. It follows no
redirects and reads no proxy settings, and TLS still verifies the host's name.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import httpcore

from app.channels.base import ANSWER_CHARS, PermanentError, TemporaryError
from app.errors import DomainError
from app.lib.spreadsheet import truncate
from config import Settings

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?")
HTTPS = 443
#: translators to IPv4 (RFC 6052, RFC 8215), whose targets nobody can tell, and segment routing (RFC 9602)
NEVER_PUBLIC = [ipaddress.ip_network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "5f00::/16")]
KEEP_ALIVE_SECONDS = 30.0
ANSWER_BYTES = 4096


class NotAllowed(DomainError):
    """A host or address to which nothing may be sent, with the reason."""


class AllowedHosts:
    """The allow-list ``WEBHOOK_ALLOW`` of host names, with ``*.domain`` for all hosts below a domain.

    An entry ``host:port``, ``http://host:port`` or an IP address names an exact place. Only such a place may
    have a private address, and only one with ``http://`` may be used without TLS. Without a port, an entry
    stands for port 443 alone.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = {entry.strip().lower() for entry in entries if entry.strip()}

    def check(self, url: str) -> tuple[str, str, int, bool]:
        """Return scheme, host and port of the URL, and whether it may be private. Raises NotAllowed."""
        scheme, host, port = parts(url)
        places = {f"{host}:{port}", f"{scheme}://{host}:{port}"}
        if _is_address(host) and port == HTTPS:
            places.add(host)
        if scheme == "http" and f"http://{host}:{port}" not in self._entries:
            raise NotAllowed("https is required")
        if places & self._entries:
            return scheme, host, port, True
        parents = {f"*.{'.'.join(host.split('.')[n:])}" for n in range(1, host.count(".") + 1)}
        if not ({host} | parents) & self._entries:
            raise NotAllowed("the host %(host)s is not on the allow-list WEBHOOK_ALLOW", host=host)
        if port != HTTPS:
            raise NotAllowed(
                "port %(port)s of %(host)s is not on the allow-list WEBHOOK_ALLOW", port=port, host=host
            )
        return scheme, host, port, False


def parts(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a plain URL. Raises NotAllowed for anything ambiguous."""
    if not url.isascii() or any(char.isspace() or char == "\\" or ord(char) < 33 for char in url):
        raise NotAllowed("the address contains characters that are not allowed")
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError as error:
        raise NotAllowed("this is not a valid address") from error
    host = (split.hostname or "").rstrip(".")
    if split.scheme not in ("http", "https") or not host:
        raise NotAllowed("the address must begin with https://")
    if split.username is not None or split.password is not None:
        raise NotAllowed("the address must not contain a user name or password")
    if split.fragment:
        raise NotAllowed("the address must not have a fragment")
    _check_host(host)
    return split.scheme, host, port if port is not None else {"http": 80, "https": HTTPS}[split.scheme]


def _check_host(host: str) -> None:
    if not _is_address(host) and (_NUMERIC.fullmatch(host) or not _HOST.fullmatch(host)):
        raise NotAllowed("the host is neither a host name nor a plain IP address")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an IP address is public, also when it is an IPv4 address embedded in IPv6."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and int(ip) >> 32 == 0:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in NEVER_PUBLIC)


def resolve(host: str, port: int) -> list[str]:
    """Resolve a host to its addresses with the system's resolver."""
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


class _Deadline(threading.local):
    """Deadline of this thread's request, because httpcore's own timeouts restart with every byte."""

    at = float("inf")

    def left(self, limit: float | None) -> float:
        rest = self.at - time.monotonic()
        if rest <= 0:
            raise httpcore.ReadTimeout("the answer took too long")
        return rest if limit is None else min(limit, rest)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        made = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(made, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Network backend that connects only to addresses it has checked."""

    def __init__(self, private: set[tuple[str, int]], deadline: _Deadline) -> None:
        self._private = private
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = resolve(host, port)
        except OSError as error:
            raise TemporaryError("ConnectError: %(host)s has no address", host=host) from error
        if (host, port) not in self._private:
            private = [address for address in addresses if not is_public(address)]
            if private or not addresses:
                raise NotAllowed("%(host)s is a private address", host=host)
        return _Stream(self._connect(addresses, port, timeout), self._deadline)

    def _connect(self, addresses: list[str], port: int, timeout: float | None) -> httpcore.NetworkStream:
        for address in addresses[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return self._inner.connect_tcp(address, port, self._deadline.left(timeout))
        return self._inner.connect_tcp(addresses[-1], port, self._deadline.left(timeout))


class Sender:
    """HTTP client for allowed places that keeps connections alive. Thread-safe."""

    def __init__(self, allowed: Iterable[str], *, connections: int = 32) -> None:
        self._hosts = AllowedHosts(allowed)
        self._private: set[tuple[str, int]] = set()
        self._deadline = _Deadline()
        self._pool = httpcore.ConnectionPool(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=_Backend(self._private, self._deadline),
        )

    def post(self, url: str, body: bytes, headers: dict[str, str], seconds: float) -> tuple[int, str]:
        """Post the body. Return the status and the first words of the answer. Raises as ``exchange`` does."""
        status, answer = self.exchange(url, body, headers, seconds)
        return status, _first_words(answer)

    def exchange(self, url: str, body: bytes, headers: dict[str, str], seconds: float) -> tuple[int, bytes]:
        """Post the body. Return the status and the answer, cut soon after ANSWER_BYTES.

        Raises PermanentError for a place that is not allowed, TemporaryError without an answer in time.
        """
        try:
            _scheme, host, port, private = self._hosts.check(url)
            if private:
                self._private.add((host, port))
            self._deadline.at = time.monotonic() + seconds
            return self._post(url, body, headers, seconds)
        except NotAllowed as error:
            raise PermanentError(error.message, **error.values) from error
        except httpcore.TimeoutException as error:
            raise TemporaryError("no answer within %(n)s s", n=f"{seconds:.0f}") from error
        except httpcore.ConnectError as error:
            raise TemporaryError("ConnectError: %(why)s", why=str(error)) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise TemporaryError("%(kind)s: %(why)s", kind=type(error).__name__, why=str(error)) from error

    def _post(self, url: str, body: bytes, headers: dict[str, str], seconds: float) -> tuple[int, bytes]:
        limits = {"connect": seconds, "read": seconds, "write": seconds, "pool": seconds}
        with self._pool.stream(
            "POST", url, headers=list(headers.items()), content=body, extensions={"timeout": limits}
        ) as response:
            return response.status, _beginning(response)


def _beginning(response: httpcore.Response) -> bytes:
    """Return the beginning of an answer. Small ones are read to the end, to keep the connection usable."""
    read = b""
    for part in response.iter_stream():
        read += part
        if len(read) > ANSWER_BYTES:
            break
    return read


def _first_words(answer: bytes) -> str:
    text = answer.decode("utf-8", "replace")
    return truncate(" ".join("".join(c if c.isprintable() else " " for c in text).split()), ANSWER_CHARS)


_senders: dict[tuple[str, ...], Sender] = {}
_lock = threading.Lock()


def sender(config: Settings) -> Sender:
    """Return this process's sender for the configured allow-list."""
    with _lock:
        return _senders.setdefault(config.webhook_allow, Sender(config.webhook_allow))
