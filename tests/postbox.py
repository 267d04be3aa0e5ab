"""A real mail server for tests, under SMTP_URL."""

from __future__ import annotations

import dataclasses
import email
import email.policy
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller
from flask import Flask


class Postbox:
    """A mail server that keeps what it receives, or refuses it."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refuse = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"


@contextmanager
def serving(app: Flask) -> Iterator[Postbox]:
    """Run a mail server, with SMTP_URL of the application pointing to it."""
    made, before = Postbox(), app.config["SETTINGS"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(made, hostname="127.0.0.1", port=port)
    server.start()
    app.config["SETTINGS"] = dataclasses.replace(
        before,
        smtp_url=f"smtp+plain://127.0.0.1:{port}",
        mail_from="bot@bank.example",
        public_url="https://lm.bank.example",
    )
    yield made
    app.config["SETTINGS"] = before
    server.stop()
