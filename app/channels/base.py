"""What a channel is, what it is given to send, and what it answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from app.errors import DomainError, Said
from config import Settings

#: How much of an answer is kept for people to read.
ANSWER_CHARS = 300


# Equal only to itself: pydantic hashes what is in an Annotated, and words not yet translated have no hash.
@dataclass(frozen=True, eq=False)
class Words:
    """What a settings form says about a field, put into the field's ``Annotated``."""

    label: Any
    help: Any = ""
    #: a text of several lines, each a value of a list
    lines: bool = False
    #: codes to choose from, with words; empty means free text
    choices: Any = ()


class ChannelSettings(BaseModel):
    """The settings of one target of a channel. A validator refuses a value with a FieldError."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    def check_place(self, config: Settings) -> None:
        """Raise FieldError when sending there would be refused by this installation as it is set up now."""


@dataclass(frozen=True)
class HitLine:
    """One hit as it leaves the house: no name, no phone in clear, no ID."""

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
        """The hit's keys in a webhook's body."""
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
class Message:
    """What one delivery says. ``id`` stays the same however often it is tried."""

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


@dataclass(frozen=True)
class Sent:
    """The other side took it: its answer in a few words, and the HTTP status where there is one."""

    answer: Said | None = None
    status: int | None = None


@dataclass(frozen=True)
class Limits:
    """How many hits go into one message (0: any number), and seconds until an attempt is given up.

    A message is held in memory: some 10 KB a hit.
    """

    hits: int = 0
    seconds: float = 15.0


class SendError(DomainError):
    """A message did not go out. It says why, in a few words without personal data."""

    def __init__(self, message: str, *, status: int | None = None, **values: Any) -> None:
        self.status = status
        super().__init__(message, **values)


class TemporaryError(SendError):
    """Trying again later may help. It may also have arrived: only the message's id tells."""


class PermanentError(SendError):
    """Trying again is no use; ``gone`` means that the target wants nothing any more."""

    def __init__(self, message: str, *, status: int | None = None, gone: bool = False, **values: Any) -> None:
        super().__init__(message, status=status, **values)
        self.gone = gone


class Channel(Protocol):
    """One way to reach people or systems."""

    #: the word that schedules use for it
    kind: ClassVar[str]
    #: what people call it
    label: ClassVar[Any]
    #: what its targets need to be told
    settings: ClassVar[type[ChannelSettings]]
    limits: ClassVar[Limits]
    #: whether a target signs with a secret of its own
    signs: ClassVar[bool]

    def send(self, message: Message, settings: Any, secret: str, config: Settings) -> Sent:
        """Send one message to a target with these ``settings``, within ``limits.seconds``.

        Called from several threads at once, in an application context. Raises PermanentError or
        TemporaryError; anything else is a fault of the channel and counts as temporary.
        """
        ...
