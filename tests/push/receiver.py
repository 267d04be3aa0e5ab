"""A receiver of webhooks that verifies them with the public library and deduplicates by id.

Also a program of its own: ``python -m tests.push.receiver PORT_FILE LOG_FILE SECRET PLAN``.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests import clock


@dataclass
class Receiver:
    """The received webhooks. ``behave`` returns the status to answer, or None to hang up without one."""

    secret: str = ""
    behave: Callable[[dict[str, Any]], int | None] = lambda body: 200
    requests: list[dict[str, Any]] = field(default_factory=list)
    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, headers: Any, raw: bytes) -> int | None:
        """Verify a webhook and return the answer. Keep the first accepted one of each id."""
        given = {key.lower(): value for key, value in headers.items()}
        try:
            body = Webhook(self.secret).verify(raw, given)
        except WebhookVerificationError as error:
            self.bad.append(str(error))
            return 401
        with self.lock:
            self.requests.append({"id": given["webhook-id"], "at": clock.now().timestamp(), "body": body})
            self.seen[given["webhook-id"]] += 1
            status = self.behave(body)
            if status is not None and 200 <= status < 300:
                self.accepted.setdefault(given["webhook-id"], body)
        return status


def serve(receiver: Receiver) -> ThreadingHTTPServer:
    """Serve the receiver on a free loopback port and set its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            receiver.headers = dict(self.headers)
            status = receiver.take(self.headers, raw)
            if status is None:
                self.close_connection = True
                return
            text = json.dumps({"ok": status < 300}).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", receiver.url)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):  # who asked has given up
                self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks"
    return server
