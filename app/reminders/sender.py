"""Sending the mails of reminders: claimed one by one, tried again later, given up in the end."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Sequence
from email.message import EmailMessage

from flask import current_app, render_template
from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import select, update

from app.extensions import db
from app.lib import clock, mailer
from app.lib.spreadsheet import shortened
from app.models import MailStatus, Reminder, ReminderMail
from app.reminders.labels import text_for_mail
from config import Settings

#: how long a worker may hold a mail before another one takes it
LEASE = dt.timedelta(minutes=2)
#: pauses after the first, second, … failed attempt; after the last one a mail is given up
PAUSES = [dt.timedelta(minutes=n) for n in (1, 5, 30, 120, 360)]
#: reminders that a mail names; it counts the rest
MOST_LINES = 20
SECONDS = 30.0

log = logging.getLogger(__name__)


def work(at: dt.datetime | None = None) -> int:
    """Send what is due (by default now), for about SECONDS; how many went.

    Any number of workers may do this at once.
    """
    until, sent = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        now = at or clock.now()
        mail_id = _claim(now)
        if mail_id is None:
            break
        sent += _try(mail_id, now)
    return sent


def _claim(now: dt.datetime) -> int | None:
    """Take the mail that is due longest, for LEASE."""
    open_ = ReminderMail.status.in_([MailStatus.WAITING, MailStatus.SENDING])
    due = (
        select(ReminderMail.id)
        .where(open_, ReminderMail.next_at <= now)
        .order_by(ReminderMail.next_at, ReminderMail.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    claimed = db.session.scalar(
        update(ReminderMail)
        .where(ReminderMail.id == due.scalar_subquery())
        .values(status=MailStatus.SENDING, attempts=ReminderMail.attempts + 1, next_at=now + LEASE)
        .returning(ReminderMail.id)
    )
    db.session.commit()
    return claimed


def _try(mail_id: int, now: dt.datetime) -> int:
    """One attempt; 1 when the mail went."""
    mail = db.session.get_one(ReminderMail, mail_id, populate_existing=True)
    attempts = mail.attempts
    outcome: dict[str, object]
    try:
        message = _message(mail)
        db.session.rollback()
        if message is None:
            outcome = {"status": MailStatus.DROPPED, "done_at": now}
        else:
            mailer.send(message, current_app.config["SETTINGS"])
            outcome = {"status": MailStatus.SENT, "answer": "", "done_at": now}
    except mailer.MailError as error:
        outcome = _after(error, attempts, now)
    except Exception as error:
        db.session.rollback()
        log.exception("reminder mail %s could not be made", mail_id)
        outcome = _after(mailer.MailError(f"{type(error).__name__}: see the worker's log"), attempts, now)
    _settle(mail_id, attempts, outcome)
    return int(outcome["status"] == MailStatus.SENT)


def _after(error: mailer.MailError, attempts: int, now: dt.datetime) -> dict[str, object]:
    """What becomes of a mail whose attempt failed."""
    answer = shortened(error.answer, 512)
    if error.permanent or attempts > len(PAUSES):
        return {"status": MailStatus.FAILED, "answer": answer, "done_at": now}
    return {"status": MailStatus.WAITING, "answer": answer, "next_at": now + PAUSES[attempts - 1]}


def _settle(mail_id: int, attempts: int, outcome: dict[str, object]) -> None:
    """Write what became of an attempt, unless somebody else has taken the mail meanwhile."""
    db.session.execute(
        update(ReminderMail)
        .where(
            ReminderMail.id == mail_id,
            ReminderMail.status == MailStatus.SENDING,
            ReminderMail.attempts == attempts,
        )
        .values(**outcome),
        execution_options={"synchronize_session": False},
    )
    db.session.commit()


def _message(mail: ReminderMail) -> EmailMessage | None:
    """The mail in its person's language; None when there is nothing left to say, or nobody to say it to.

    Raises MailError for good when the person's record has no valid address.
    """
    person = mail.person
    query = select(Reminder).where(Reminder.mail_id == mail.id, Reminder.read_at.is_(None))
    reminders = list(db.session.scalars(query.order_by(Reminder.kind, Reminder.id.desc())))
    if not reminders or not person.active:
        return None
    if not mailer.is_address(person.email or ""):
        raise mailer.MailError("the person's record has no valid e-mail address", permanent=True)
    with force_locale(person.language):
        return _written(mail, person.email, reminders, current_app.config["SETTINGS"])


def _written(mail: ReminderMail, to: str, reminders: Sequence[Reminder], config: Settings) -> EmailMessage:
    count = len(reminders)
    shown = reminders[:MOST_LINES]
    given = {
        "lines": [(text_for_mail(each), each.opens) for each in shown],
        "public_url": config.public_url,
        "more": count - len(shown),
        "url": f"{config.public_url}/reminderview/list/" if config.public_url else "",
        "choices_url": f"{config.public_url}/reminderchoice/form" if config.public_url else "",
    }
    subject = text_for_mail(shown[0]) if count == 1 else _("%(n)s reminders", n=count)
    message = mailer.draft(f"reminders-{mail.id}", [to], subject, config)
    message.set_content(render_template("mail/reminders.txt", **given))
    message.add_alternative(render_template("mail/reminders.html", **given), subtype="html")
    return message
