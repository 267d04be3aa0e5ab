"""The sender of queued mails: claims one at a time, retries later, and finally gives up.

When a worker dies while sending, the mail is sent again with the same Message-ID.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any

from flask import current_app
from sqlalchemy import or_, update

from app.errors import SEE_LOG
from app.extensions import db
from app.jobs.leases import RELEASED, next_attempt_at
from app.lib import clock, mailer
from app.lib.database import connection_lost
from app.lib.mailer import MailError
from app.mails.queue import MAILS, PAUSES
from app.models import Mail, MailStatus

SECONDS = 30.0
Writer = Callable[[Mail], EmailMessage | None]
"""Returns the mail in the receiver's language, or None when there is nothing left to send.

Raises MailError, permanent when the mail can never be sent, and NotReady when its subject does not exist yet.
"""

log = logging.getLogger(__name__)


class NotReady(Exception):
    """The mail's subject, such as a report, does not exist yet: the mail waits until it does."""


def work(writers: Mapping[str, Writer], at: dt.datetime | None = None) -> int:
    """Send the mails due at ``at`` (default: now), for about SECONDS. Return how many were sent.

    Any number of workers may run this at once.
    """
    until, sent = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        now, owner = at or clock.now(), uuid.uuid4().hex
        claimed = MAILS.claim(db.engine, owner, or_(MAILS.due(now), MAILS.expired()))
        if not claimed:
            break
        sent += _attempt(claimed[0], owner, writers, now)
    return sent


def _attempt(mail_id: int, owner: str, writers: Mapping[str, Writer], now: dt.datetime) -> int:
    """Attempt to send a mail and store the result. Return 1 when it was sent, else 0."""
    mail = db.session.get_one(Mail, mail_id, populate_existing=True)
    attempts = mail.attempts
    try:
        outcome = _send(mail, owner, writers[mail.kind], now)
    except NotReady:
        db.session.rollback()
        MAILS.put_back(db.engine, [mail_id], owner, next_at=None)
        return 0
    except MailError as error:
        outcome = _after_failure(error, attempts, now)
    except Exception as error:
        if connection_lost(error):
            raise
        log.exception("mail %s could not be written", mail_id)
        outcome = _after_failure(MailError(SEE_LOG, kind=type(error).__name__), attempts, now)
    db.session.rollback()
    if outcome is None:
        return 0
    with db.engine.begin() as connection:
        connection.execute(update(Mail).where(MAILS.held_by(mail_id, owner)).values(**outcome, **RELEASED))
    return int(outcome["status"] == MailStatus.SENT)


def _send(mail: Mail, owner: str, writer: Writer, now: dt.datetime) -> dict[str, Any] | None:
    """Write and send a mail. Return its new columns, None when another worker has it.

    Raises what its writer raises.
    """
    if mail.attempts > len(PAUSES) + 1:
        raise MailError("given up: each worker that tried it was interrupted", permanent=True)
    mail_id, message = mail.id, writer(mail)
    # Hold no transaction while waiting for the mail server.
    db.session.rollback()
    if message is None:
        return {"status": MailStatus.DROPPED, "done_at": now}
    if not MAILS.still_held(db.engine, mail_id, owner):
        return None
    mailer.send(message, current_app.config["SETTINGS"])
    return {"status": MailStatus.SENT, "answer": None, "next_at": None, "done_at": now}


def _after_failure(error: MailError, attempts: int, now: dt.datetime) -> dict[str, Any]:
    """Return the new columns of a mail whose attempt failed."""
    next_at = None if error.permanent else next_attempt_at(attempts, PAUSES, now)
    if next_at is None:
        return {"status": MailStatus.FAILED, "answer": error.said, "next_at": None, "done_at": now}
    return {"status": MailStatus.WAITING, "answer": error.said, "next_at": next_at}
