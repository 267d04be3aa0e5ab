"""What a reminder says, in the present language, on a screen and in a mail."""

from __future__ import annotations

from flask_babel import gettext, lazy_gettext

from app.models import Reminder

KIND = {
    "hits": lazy_gettext("New hits"),
    "assigned": lazy_gettext("Hits given to me"),
    "due": lazy_gettext("Follow-ups due"),
    "escalated": lazy_gettext("Escalated hits"),
    "approval": lazy_gettext("Requests to decide"),
    "decided": lazy_gettext("My requests, decided"),
    "job": lazy_gettext("My jobs that failed"),
    "system": lazy_gettext("Faults of the installation"),
    "test": lazy_gettext("Test"),
}
#: kinds of which mails say less: their titles may name people
IN_MAIL = {
    "approval": lazy_gettext("Request #%(id)s waits for your decision: %(what)s"),
    "decided": lazy_gettext("Your request #%(id)s was decided: %(what)s"),
}


def text_of(reminder: Reminder) -> str:
    """What it says on a screen."""
    return _said(reminder, reminder.message)


def text_for_mail(reminder: Reminder) -> str:
    """What it says outside the house: counts and numbers, nobody's name."""
    known = IN_MAIL.get(reminder.kind)
    return _said(reminder, known._args[0] if known is not None else reminder.message)


def _said(reminder: Reminder, message: str) -> str:
    values = dict(reminder.values)
    what = values.get("what")
    if what:
        values["what"] = gettext(what)
    return str(gettext(message, **values))
