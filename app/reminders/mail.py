"""Mails of unread reminders, without names."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage

from flask import current_app, render_template
from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import select

from app.extensions import db
from app.lib import mailer
from app.lib.pointers import to_page, to_rows
from app.models import Mail, Reminder
from app.reminders.labels import text_for_mail
from config import Settings

#: reminders listed in a mail; the others are counted
MAX_LINES = 20


def written(mail: Mail) -> EmailMessage | None:
    """Write the mail in the recipient's language. Return None without unread reminders or recipient.

    Raises a permanent MailError when the recipient has no valid e-mail address.
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


def _written(mail: Mail, to: str, reminders: Sequence[Reminder], config: Settings) -> EmailMessage:
    count = len(reminders)
    shown = reminders[:MAX_LINES]
    given = {
        "lines": [(text_for_mail(each), each.opens) for each in shown],
        "public_url": config.public_url,
        "more": count - len(shown),
        "all": to_rows("reminder"),
        "choices": to_page("reminder_choice"),
    }
    subject = text_for_mail(shown[0]) if count == 1 else _("%(n)s reminders", n=count)
    message = mailer.draft(mail.key, [to], subject, config)
    message.set_content(render_template("mail/reminders.txt", **given))
    message.add_alternative(render_template("mail/reminders.html", **given), subtype="html")
    return message
