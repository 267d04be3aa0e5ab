"""The sandbox: takes contacts instead of customers, shows them on a screen and plays plausible answers."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import uuid
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.extensions import db
from app.models import SandboxMessage
from app.outreach.gateway import Answer, Contact, Taken

NAME = "sandbox"
#: (share in percent, what follows [[seconds, outcome]…]) by channel; the shares make 100
STORIES: dict[str, list[tuple[int, list[list[Any]]]]] = {
    "sms": [
        (4, [[3, "failed"]]),
        (64, [[3, "delivered"]]),
        (12, [[3, "delivered"], [20, "answered"]]),
        (10, [[3, "delivered"], [25, "interested"]]),
        (6, [[3, "delivered"], [25, "interested"], [60, "converted"]]),
        (4, [[3, "delivered"], [30, "opt_out"]]),
    ],
    "call": [
        (30, [[8, "no_answer"]]),
        (22, [[6, "answered"]]),
        (18, [[6, "answered"], [30, "refused"]]),
        (18, [[6, "answered"], [30, "interested"]]),
        (8, [[6, "answered"], [30, "interested"], [75, "converted"]]),
        (4, [[6, "answered"], [20, "opt_out"]]),
    ],
}


def story_of(key: uuid.UUID, channel: str) -> list[list[Any]]:
    """What will follow on a contact, always the same for a key."""
    secret = current_app.config["SETTINGS"].secret_key.encode()
    drawn = int.from_bytes(hmac.digest(secret, key.bytes, hashlib.sha256)[:8], "big") % 100
    for share, story in STORIES[channel]:
        if drawn < share:
            return story
        drawn -= share
    raise AssertionError("the shares of a channel make 100")


class Sandbox:
    """Stands in where no gateway is set up."""

    row = None
    per_second = 0.0

    def send(self, contact: Contact, now: dt.datetime) -> Answer:
        """Take it; the same key again changes nothing."""
        story = story_of(contact.key, contact.channel)
        row = {
            "outreach_id": contact.outreach_id,
            "key": contact.key,
            "channel": contact.channel,
            "phone_masked": contact.phone_masked,
            "body": contact.text,
            "accepted_at": now,
            "answers": story,
            "next_at": now + dt.timedelta(seconds=story[0][0]),
        }
        with Session(db.engine) as session:
            session.execute(insert(SandboxMessage).values(row).on_conflict_do_nothing(index_elements=["key"]))
            session.commit()
        return Answer(Taken.ACCEPTED, ref=f"SANDBOX-{contact.key.hex[:12]}")

    def ask(self, key: uuid.UUID, channel: str) -> Answer:
        """Whether it was taken."""
        with Session(db.engine) as session:
            found = session.scalar(select(SandboxMessage.id).where(SandboxMessage.key == key))
        return Answer(Taken.ACCEPTED if found else Taken.ABSENT)


def due(now: dt.datetime, limit: int = 500) -> list[tuple[SandboxMessage, list[tuple[dt.datetime, str]]]]:
    """Messages with answers to play by ``now`` and those answers; they are taken off the message.

    Rows stay locked until the caller commits; two may call.
    """
    query = select(SandboxMessage).where(SandboxMessage.next_at <= now).order_by(SandboxMessage.next_at)
    found = []
    for message in db.session.scalars(query.limit(limit).with_for_update(skip_locked=True)):
        played, left = [], []
        for seconds, outcome in message.answers:
            at = message.accepted_at + dt.timedelta(seconds=seconds)
            if at <= now:
                played.append((at, outcome))
            else:
                left.append([seconds, outcome])
        message.answers = left
        message.next_at = message.accepted_at + dt.timedelta(seconds=left[0][0]) if left else None
        found.append((message, played))
    return found
