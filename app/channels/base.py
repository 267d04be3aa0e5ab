"""The channel protocol, the messages that channels send, and their results and errors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from app.errors import DomainError, Said
from config import Settings

#: characters of an answer that are kept for display
ANSWER_CHARS = 300


# Without eq, because pydantic hashes the contents of an Annotated, and lazy strings have no hash.
@dataclass(frozen=True, eq=False)
class Words:
    """Label, help and input type of a settings field, given in the field's ``Annotated``."""

    label: Any
    help: Any = ""
    #: whether each line of a text area is a value of a list
    lines: bool = False
    #: choices as (code, label); empty means free text
    choices: Any = ()


class ChannelSettings(BaseModel):
    """Settings of a channel's target. Validators refuse a value with a FieldError."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    def check_place(self, config: Settings) -> None:
        """Raise FieldError when this installation's configuration does not allow sending there."""


@dataclass(frozen=True)
class HitLine:
    """A hit as it leaves the bank, without name, clear phone number or ID."""

    id: int
    lead_id: int
    lead_no: str
    phone: str
    branch: str
    rule_code: str
    rule_name: str
    rule_version: int
    hit_date: str
    grade: str
    score: float
    status: str
    reason: str
    opted_out: bool

    def as_json(self) -> dict[str, Any]:
        """Return the hit as it appears in a webhook's body."""
        return {
            "id": self.id,
            "lead_no": self.lead_no,
            "phone_masked": self.phone,
            "branch": self.branch,
            "rule": self.rule_code,
            "rule_name": self.rule_name,
            "rule_version": self.rule_version,
            "hit_date": self.hit_date,
            "grade": self.grade,
            "score": self.score,
            "status": self.status,
            "reason": self.reason,
            "opted_out": self.opted_out,
        }


@dataclass(frozen=True)
class CustomerLine:
    """A customer who came to a step of a journey, without name, clear phone number or ID."""

    lead_no: str
    phone: str
    branch: str
    opted_out: bool
    #: when the step was due, and when the customer entered the journey
    at: dt.datetime
    entered_at: dt.datetime
    #: the hit that started the journey, if one did
    hit: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the customer as in a webhook's body."""
        return {
            "lead_no": self.lead_no,
            "phone_masked": self.phone,
            "branch": self.branch,
            "opted_out": self.opted_out,
            "at": self.at.isoformat(),
            "entered_at": self.entered_at.isoformat(),
            "hit": self.hit,
        }


@dataclass(frozen=True)
class JourneyPlace:
    """The step of a journey that customers came to."""

    code: str
    name: str
    version: int
    step: str


@dataclass(frozen=True)
class Message:
    """The message of a delivery: hits, or customers at a step of a ``journey``.

    The ``id`` is the same for all attempts.
    """

    id: str
    push_id: int
    schedule: str
    schedule_name: str
    slot: dt.datetime
    hits: Sequence[HitLine]
    #: this delivery is part ``part`` of ``parts`` of a push of ``total`` hits
    part: int = 1
    parts: int = 1
    total: int = 0
    test: bool = False
    journey: JourneyPlace | None = None
    customers: Sequence[CustomerLine] = ()


@dataclass(frozen=True)
class Sent:
    """A successful result, with the receiver's short answer and the HTTP status if there is one."""

    answer: Said | None = None
    status: int | None = None


@dataclass(frozen=True)
class Limits:
    """The limit of hits per message (0: none), and the seconds allowed for an attempt.

    A message is held in memory at some 10 KB per hit.
    """

    hits: int = 0
    seconds: float = 15.0


class SendError(DomainError):
    """A message was not sent. The error gives a short reason without personal data."""

    def __init__(self, message: str, *, status: int | None = None, **values: Any) -> None:
        self.status = status
        super().__init__(message, **values)


class TemporaryError(SendError):
    """Sending may succeed later. The message may also have arrived, which the receiver sees by its id."""


class PermanentError(SendError):
    """Sending will never succeed. ``gone`` means that the target accepts nothing any more."""

    def __init__(self, message: str, *, status: int | None = None, gone: bool = False, **values: Any) -> None:
        super().__init__(message, status=status, **values)
        self.gone = gone


class Channel(Protocol):
    """A way to reach people or systems."""

    #: its code in schedules
    kind: ClassVar[str]
    #: its display name
    label: ClassVar[Any]
    #: the settings model of its targets
    settings: ClassVar[type[ChannelSettings]]
    limits: ClassVar[Limits]
    #: whether each target has its own signing secret
    signs: ClassVar[bool]
    #: whether its messages say how the work on a hit stands
    tells_status: ClassVar[bool]

    def send(self, message: Message, settings: Any, secret: str, config: Settings) -> Sent:
        """Send one message to a target with these ``settings``, within ``limits.seconds``.

        Called from several threads at once, in an application context. Raises PermanentError or
        TemporaryError; anything else is a fault of the channel and counts as temporary.
        """
        ...
