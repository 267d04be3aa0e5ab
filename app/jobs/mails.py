"""Queue ``push``: mails with reminders and weekly reports."""

from __future__ import annotations

import datetime as dt

from app.jobs.context import job_context
from app.mails import sender
from app.models import MailKind
from app.reminders import mail as reminders
from app.reports import mail as reports

#: kind of mail → the function that writes it
WRITERS: dict[str, sender.Writer] = {MailKind.REMINDERS: reminders.written, MailKind.REPORT: reports.compose}


def run(_row_id: int) -> None:
    """Send the mails that are due."""
    with job_context("mails"):
        send()


def send(at: dt.datetime | None = None) -> int:
    """Send the mails that are due at ``at``, by default now. Return how many were sent."""
    return sender.work(WRITERS, at)
