"""The addresses to which webhooks may be posted, and attempts to circumvent the restrictions."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from app.channels import guard
from app.channels.base import PermanentError, TemporaryError
from app.channels.guard import Sender, is_public
from tests.push.receiver import Receiver, serve


@pytest.fixture
def inside() -> Iterator[Receiver]:
    """A service inside the bank's network that is not on the allow-list."""
    made = Receiver(secret="whsec_" + "A" * 32)
    server = serve(made)
    yield made
    server.shutdown()
    server.server_close()


def port(receiver: Receiver) -> str:
    return receiver.url.split(":")[2].split("/")[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://{place}/hooks",  # not named
        "https://evil.example.net/",
        "http://crm.example.com/",  # https is required
        "https://crm.example.com@127.0.0.1:{port}/",
        "https://crm.example.com:secret@crm.example.com/",
        "https://crm.example.com\\@127.0.0.1:{port}/",
        "https://crm.example.com\t.evil.net/",
        "https://crm.example.com#@127.0.0.1/",
        "https://crm.example.com.evil.net/",
        "https://xcrm.example.com/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0/",
        "https://127.0.0.1./",
        "https://127.0.0.1%2f@crm.example.com/",
        "https://crm.example.com%2eevil.net/",
        "https://crm.example.com%00.evil.net/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://100.64.0.1/",
        "https://[::1]/",
        "https://0.0.0.0/",
        "https://169.254.169.254/latest/meta-data/",
        "https://ⓛocalhost/",
        "ftp://crm.example.com/",
        "file:///etc/passwd",
        "gopher://crm.example.com/",
        "//crm.example.com/",
        "https://",
        "https://crm.example.com:99999/",
    ],
)
def test_other_places_are_refused_without_a_connection(inside: Receiver, url: str) -> None:
    sender = Sender(["crm.example.com"])
    place = f"127.0.0.1:{port(inside)}"
    with pytest.raises(PermanentError):
        sender.post(url.format(place=place, port=port(inside)), b"{}", {}, 2)
    assert inside.requests == []
    assert inside.bad == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::808:808",
        "64:ff9b:1::808:808",
        "5f00::1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "ff02::1",
    ],
)
def test_private_addresses_in_any_spelling(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_public(address)
    monkeypatch.setattr(guard, "resolve", lambda host, port: [address])
    with pytest.raises(PermanentError, match="private address"):
        Sender(["crm.example.com"]).post("https://crm.example.com/", b"{}", {}, 2)


def test_public_addresses_are_public() -> None:
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1:248:1893:25c8:1946")


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "resolve", lambda host, port: ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(PermanentError, match="private address"):
        Sender(["crm.example.com"]).post("https://crm.example.com/", b"{}", {}, 2)


def test_a_name_that_changes_its_address_after_the_check_gains_nothing(
    inside: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the connection goes to the checked address, not to a later answer of the name server."""
    connected: list[str] = []
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])
    monkeypatch.setattr(guard, "resolve", lambda host, port: next(answers))

    def connect(self: object, host: str, port: int, *_: object, **__: object) -> None:
        connected.append(host)
        raise guard.httpcore.ConnectError("not in a test")

    monkeypatch.setattr(guard.httpcore.SyncBackend, "connect_tcp", connect)
    sender = Sender(["crm.example.com:" + port(inside), "crm.example.com"])
    url = "https://crm.example.com/hooks"
    with pytest.raises(TemporaryError):
        sender.post(url, b"{}", {}, 2)
    with pytest.raises(PermanentError):
        sender.post(url, b"{}", {}, 2)
    assert connected == ["93.184.216.34"]
    assert inside.requests == []


def test_redirects_are_answers_not_ways(inside: Receiver) -> None:
    other = Receiver(secret=inside.secret)
    server = serve(other)
    inside.url, before = other.url, inside.url
    inside.take = lambda headers, raw: 302  # type: ignore[method-assign]
    sender = Sender([before.removesuffix("/hooks"), other.url.removesuffix("/hooks")])
    status, _answer = sender.post(before, b"{}", {}, 2)
    assert status == 302
    assert other.requests == []
    assert other.bad == []
    server.shutdown()
    server.server_close()


def test_a_named_private_place_works_and_its_neighbour_does_not(inside: Receiver) -> None:
    inside.take = lambda headers, raw: 200  # type: ignore[method-assign]
    sender = Sender([inside.url.removesuffix("/hooks")])
    assert sender.post(inside.url, b"{}", {}, 2)[0] == 200
    assert sender.post(inside.url, b"{}", {}, 2)[0] == 200
    with pytest.raises(PermanentError):
        sender.post(f"http://127.0.0.1:{int(port(inside)) + 1}/", b"{}", {}, 2)
    with pytest.raises(PermanentError):
        sender.post(inside.url.replace("127.0.0.1", "localhost"), b"{}", {}, 2)


def test_a_name_with_a_port_allows_that_port_and_no_other() -> None:
    hosts = guard.AllowedHosts(["crm.example.com:8443", "http://old.example.com:8080"])
    assert hosts.check("https://crm.example.com:8443/x")[2:] == (8443, True)
    assert hosts.check("http://old.example.com:8080/x")[2:] == (8080, True)
    for url in (
        "https://crm.example.com/",
        "https://crm.example.com:9443/",
        "http://crm.example.com:8443/",
        "http://old.example.com/",
        "https://old.example.com/",
    ):
        with pytest.raises(guard.NotAllowed):
            hosts.check(url)


def test_below_a_domain() -> None:
    hosts = guard.AllowedHosts(["*.example.com"])
    assert hosts.check("https://a.b.example.com/x") == ("https", "a.b.example.com", 443, False)
    for url in ("https://example.com/", "https://example.com.evil.net/", "https://badexample.com/"):
        with pytest.raises(guard.NotAllowed):
            hosts.check(url)


def test_an_answer_that_drips_is_given_up_in_time() -> None:
    """httpcore's own timeout restarts with every byte; ours is for the whole request."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b".")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    place = f"http://127.0.0.1:{listener.getsockname()[1]}"
    begun = time.monotonic()
    with pytest.raises(TemporaryError, match="no answer within"):
        Sender([place]).post(f"{place}/", b"{}", {}, 1)
    assert time.monotonic() - begun < 5
    stop.set()
    thread.join()
    listener.close()
