"""A reference gateway that keeps the contract of docs/gateway.md and misbehaves on request.

``python tests/outreach/gateway.py PORT SECRET`` runs it by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests import clock

#: end of a phone number → how the gateway behaves
MANNERS = {"0001": "hang", "0002": "500_after", "0003": "500_before", "0004": "busy", "0005": "reject"}
FRESH_SECONDS = 300


class Gateway:
    """Accepts each key once. ``taken`` counts how often a customer would have been contacted for each."""

    def __init__(self, secret: str, port: int = 0) -> None:
        self.secret = secret
        self.taken: dict[str, str] = {}
        self.rejected: set[str] = set()
        self.requests: list[str] = []
        #: how it behaves whatever the number, while set
        self.manner = ""
        #: a hanging answer comes when this is set
        self.release = threading.Event()
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def send(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Accept or refuse a contact."""
        key, phone = str(body["key"]), str(body["phone"])
        manner = self.manner or MANNERS.get(phone[-4:], "")
        with self.lock:
            self.requests.append(key)
        if manner == "busy":
            return 200, {"code": "busy"}
        if manner == "500_before":
            return 500, {"error": "before"}
        with self.lock:
            if manner == "reject":
                self.rejected.add(key)
                return 200, {"code": "rejected"}
            self.taken.setdefault(key, phone)
        if manner == "hang":
            self.release.wait(30)
        if manner == "500_after":
            return 500, {"error": "after"}
        return 200, {"code": 0, "id": f"G-{key[:8]}"}

    def status(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer a status query for a key."""
        key = str(body["key"])
        if key in self.rejected:
            return 200, {"code": "rejected"}
        if key in self.taken:
            return 200, {"code": 0, "id": f"G-{key[:8]}"}
        return 200, {"code": "absent"}

    def genuine(self, headers: Any, body: bytes) -> bool:
        """Whether the signature is valid and recent."""
        key, at = headers.get("idempotency-key", ""), headers.get("x-timestamp", "")
        wanted = hmac.new(self.secret.encode(), f"{key}.{at}.".encode() + body, hashlib.sha256).hexdigest()
        fresh = at.isdigit() and abs(clock.now().timestamp() - int(at)) < FRESH_SECONDS
        return fresh and hmac.compare_digest(f"sha256={wanted}", headers.get("x-signature", ""))

    def start(self) -> Gateway:
        """Serve in the background."""
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()


def _handler(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if not gateway.genuine(self.headers, body):
                self.answer(401, {"error": "signature"})
            elif self.path == "/send":
                self.answer(*gateway.send(json.loads(body)))
            elif self.path == "/status":
                self.answer(*gateway.status(json.loads(body)))
            else:
                self.answer(404, {"error": "path"})

        def answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            try:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Log nothing, because a request contains a phone number."""

    return Handler


if __name__ == "__main__":
    served = Gateway(sys.argv[2], int(sys.argv[1]))
    served.server.serve_forever()
