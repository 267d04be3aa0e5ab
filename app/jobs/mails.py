"""Queue ``push``: mails of reminders and of weekly reports."""

from __future__ import annotations

import datetime as dt

from app.jobs.context import job_context
from app.mails import sender
from app.models import MailKind
from app.reminders import mail as reminders
from app.reports import mail as reports

#: kind of mail → what writes it
WRITERS: dict[str, sender.Writer] = {MailKind.REMINDERS: reminders.written, MailKind.REPORT: reports.written}


def run(_row_id: int) -> None:
    """Send what is due."""
    with job_context("mails"):
        send()


def send(at: dt.datetime | None = None) -> int:
    """Send what is due at a moment, by default now; how many went."""
    return sender.work(WRITERS, at)
