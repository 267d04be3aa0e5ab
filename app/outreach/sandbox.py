"""The sandbox: a gateway that reaches nobody, shows contacts on a screen and simulates outcomes."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import uuid
from collections.abc import Sequence
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.extensions import db
from app.models import SandboxMessage
from app.outreach.gateway import Answer, Contact, Receipt

NAME = "sandbox"
#: by channel: (share in percent, [[seconds after sending, outcome], …]); the shares add up to 100
OUTCOMES: dict[str, list[tuple[int, list[list[Any]]]]] = {
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


def outcomes_of(key: uuid.UUID, channel: str) -> list[list[Any]]:
    """Return the simulated outcomes of a contact, always the same for a key."""
    secret = current_app.config["SETTINGS"].secret_key.encode()
    drawn = int.from_bytes(hmac.digest(secret, key.bytes, hashlib.sha256)[:8], "big") % 100
    for share, outcomes in OUTCOMES[channel]:
        if drawn < share:
            return outcomes
        drawn -= share
    raise AssertionError("the shares of a channel must add up to 100")


class Sandbox:
    """Gateway used while none is switched on."""

    row = None
    per_second = 0.0
    at_once = 500

    def send(self, contacts: Sequence[Contact], now: dt.datetime) -> list[Answer]:
        """Accept the contacts. Sending the same key again changes nothing."""
        rows = [_row(each, now) for each in contacts]
        stored = insert(SandboxMessage).on_conflict_do_nothing(index_elements=["key"])
        with db.engine.begin() as connection:
            connection.execute(stored, rows)
        return [Answer(Receipt.ACCEPTED, ref=f"SANDBOX-{each.key.hex[:12]}") for each in contacts]

    def ask(self, key: uuid.UUID, channel: str) -> Answer:
        """Return whether the key was accepted."""
        with Session(db.engine) as session:
            message_id = session.scalar(select(SandboxMessage.id).where(SandboxMessage.key == key))
        return Answer(Receipt.ACCEPTED if message_id else Receipt.ABSENT)


def _row(contact: Contact, now: dt.datetime) -> dict[str, Any]:
    outcomes = outcomes_of(contact.key, contact.channel)
    return {
        "outreach_id": contact.outreach_id or None,
        "key": contact.key,
        "channel": contact.channel,
        "phone_masked": contact.phone_masked,
        "body": contact.text,
        "accepted_at": now,
        "answers": outcomes,
        "next_at": now + dt.timedelta(seconds=outcomes[0][0]) if contact.outreach_id else None,
    }


def due(now: dt.datetime, limit: int = 500) -> list[tuple[SandboxMessage, list[tuple[dt.datetime, str]]]]:
    """Return the messages with outcomes due by ``now``, each with these outcomes.

    The outcomes are removed from the message. Rows stay locked until the caller commits; several callers may
    run at once.
    """
    query = select(SandboxMessage).where(SandboxMessage.next_at <= now).order_by(SandboxMessage.next_at)
    due_messages = []
    for message in db.session.scalars(query.limit(limit).with_for_update(skip_locked=True)):
        outcomes, left = [], []
        for seconds, outcome in message.answers:
            at = message.accepted_at + dt.timedelta(seconds=seconds)
            if at <= now:
                outcomes.append((at, outcome))
            else:
                left.append([seconds, outcome])
        message.answers = left
        message.next_at = message.accepted_at + dt.timedelta(seconds=left[0][0]) if left else None
        due_messages.append((message, outcomes))
    return due_messages
