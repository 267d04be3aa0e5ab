"""Mails as rows: which are due, which were given up, and tried again."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func, or_, select, update

from app.extensions import db
from app.jobs.leases import LeasedRows
from app.jobs.nudges import nudge_once
from app.models import Mail, MailKind, MailStatus

MAILS = LeasedRows(Mail, waiting=MailStatus.WAITING, working=MailStatus.SENDING, seconds=300)


def due(now: dt.datetime) -> bool:
    """Whether a mail is to be sent now, or was left behind by a worker."""
    free = or_(MAILS.due(now), MAILS.expired())
    return db.session.scalar(select(Mail.id).where(free).limit(1)) is not None


def nudge() -> None:
    """Ask a worker to send what is due."""
    nudge_once("push", "app.jobs.mails.run")


def retry(mail: Mail, now: dt.datetime) -> bool:
    """Send a failed mail again from the beginning; False for one that has not failed. Does not commit."""
    failed = (Mail.id == mail.id, Mail.status == MailStatus.FAILED)
    again = {"status": MailStatus.WAITING, "attempts": 0, "next_at": now, "done_at": None}
    changed = db.session.execute(update(Mail).where(*failed).values(**again))
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def failed(kind: MailKind, since: dt.datetime | None = None) -> int:
    """How many mails of a kind were given up, of those made since a moment."""
    given_up = [Mail.kind == kind, Mail.status == MailStatus.FAILED]
    if since is not None:
        given_up.append(Mail.created_at > since)
    return db.session.scalar(select(func.count()).select_from(Mail).where(*given_up)) or 0
