"""What a gateway is: it takes a contact once per key, and can be asked what became of it."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.errors import Said
from app.models import OutreachGateway


class Taken(StrEnum):
    """What a gateway said about a contact."""

    #: it will reach the customer, or has
    ACCEPTED = "accepted"
    #: it never will: wrong number, forbidden text
    REJECTED = "rejected"
    #: it was not taken; try again later
    BUSY = "busy"
    #: nobody knows: it may have been taken
    UNKNOWN = "unknown"
    #: asked for: the gateway has never seen the key
    ABSENT = "absent"


@dataclass(frozen=True)
class Contact:
    """One contact as a gateway gets it. The phone is in clear and is kept nowhere."""

    outreach_id: int
    key: uuid.UUID
    channel: str
    phone: str
    phone_masked: str
    text: str


@dataclass(frozen=True)
class Answer:
    """A gateway's answer; ``note`` in a few words, without personal data."""

    taken: Taken
    ref: str = ""
    note: Said | None = None


class Gateway(Protocol):
    """A way to customers. Called from several threads at once, in an application context."""

    @property
    def row(self) -> OutreachGateway | None:
        """Its row, None for the sandbox."""

    @property
    def per_second(self) -> float:
        """Messages a second, 0 for any number."""

    def send(self, contact: Contact, now: dt.datetime) -> Answer:
        """Hand one contact over. Never raises for what the other side does."""

    def ask(self, key: uuid.UUID, channel: str) -> Answer:
        """What became of a key; UNKNOWN when the gateway can't say."""
