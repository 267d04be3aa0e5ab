"""The gateway protocol: a gateway accepts a contact once per key and can be asked for its status."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.errors import Said
from app.models import OutreachGateway


class Receipt(StrEnum):
    """The answer of a gateway to a contact."""

    #: accepted: it will reach the customer, or has
    ACCEPTED = "accepted"
    #: refused for good: wrong number, forbidden text
    REJECTED = "rejected"
    #: not accepted now; try again later
    BUSY = "busy"
    #: no clear answer: it may have been accepted
    UNKNOWN = "unknown"
    #: answer to a status query: the gateway has never seen the key
    ABSENT = "absent"


@dataclass(frozen=True)
class Contact:
    """One contact as handed to a gateway. The phone number is in clear and stored nowhere.

    ``outreach_id`` is 0 for a test that somebody sends to their own phone.
    """

    outreach_id: int
    key: uuid.UUID
    channel: str
    phone: str
    phone_masked: str
    text: str


@dataclass(frozen=True)
class Answer:
    """A gateway's answer, with a short ``note`` free of personal data."""

    receipt: Receipt
    ref: str = ""
    note: Said | None = None


class Gateway(Protocol):
    """A way to reach customers. Called from several threads at once, in an application context."""

    @property
    def row(self) -> OutreachGateway | None:
        """The gateway's row, None for the sandbox."""

    @property
    def per_second(self) -> float:
        """The limit of messages per second, 0 for none."""

    @property
    def at_once(self) -> int:
        """The most contacts that are handed over at once."""

    def send(self, contacts: Sequence[Contact], now: dt.datetime) -> list[Answer]:
        """Hand over contacts. Return an answer to each. Never raises for errors of the other side."""

    def ask(self, key: uuid.UUID, channel: str) -> Answer:
        """Ask for the status of a key; UNKNOWN when the gateway can't say."""
