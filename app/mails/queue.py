"""The rows of the mail queue: due mails, failed mails, and when a failed one is tried again."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func, or_, select, update

from app.extensions import db
from app.jobs.leases import LeasedRows
from app.jobs.nudges import nudge_once
from app.models import Mail, MailKind, MailStatus

#: pauses after the first, second, … failed attempt; after one more failure a mail is given up
PAUSES = tuple(dt.timedelta(minutes=n) for n in (1, 5, 30, 120, 360))
MAILS = LeasedRows(Mail, waiting=MailStatus.WAITING, working=MailStatus.SENDING, seconds=300)


def has_due(now: dt.datetime) -> bool:
    """Return whether a mail is due or was abandoned by a worker."""
    free = or_(MAILS.due(now), MAILS.expired())
    return db.session.scalar(select(Mail.id).where(free).limit(1)) is not None


def nudge() -> None:
    """Ask a worker to send the due mails."""
    nudge_once("push", "app.jobs.mails.run")


def retry(mail: Mail, now: dt.datetime) -> bool:
    """Queue a failed mail again with fresh attempts. Return False if it has not failed. Doesn't commit."""
    is_failed = (Mail.id == mail.id, Mail.status == MailStatus.FAILED)
    values = {"status": MailStatus.WAITING, "attempts": 0, "next_at": now, "done_at": None}
    changed = db.session.execute(update(Mail).where(*is_failed).values(**values))
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def count_failed(kind: MailKind, since: dt.datetime | None = None) -> int:
    """Return how many mails of a kind, created after ``since``, were given up."""
    criteria = [Mail.kind == kind, Mail.status == MailStatus.FAILED]
    if since is not None:
        criteria.append(Mail.created_at > since)
    return db.session.scalar(select(func.count()).select_from(Mail).where(*criteria)) or 0
