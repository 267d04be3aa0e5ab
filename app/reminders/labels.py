"""Texts of reminders in the current language, on screens and in mails."""

from __future__ import annotations

from flask_babel import gettext, lazy_gettext

from app.models import Reminder

KIND = {
    "hits": lazy_gettext("New hits"),
    "assigned": lazy_gettext("Customers assigned to me"),
    "due": lazy_gettext("Customers due"),
    "call_back": lazy_gettext("Agreed calls"),
    "asked": lazy_gettext("Handovers asked for"),
    "escalated": lazy_gettext("Escalated hits"),
    "approval": lazy_gettext("Requests waiting for my decision"),
    "decided": lazy_gettext("Decisions on my requests"),
    "device": lazy_gettext("My log-ins at new browsers"),
    "job": lazy_gettext("My failed jobs"),
    "system": lazy_gettext("System faults"),
    "test": lazy_gettext("Test"),
}
#: shorter texts for mails, because titles may contain names of people
IN_MAIL = {
    "approval": lazy_gettext("Request #%(id)s is waiting for your decision: %(what)s"),
    "decided": lazy_gettext("Your request #%(id)s was decided: %(what)s"),
}


def text_of(reminder: Reminder) -> str:
    """Return the text of a reminder for screens."""
    return _text(reminder, reminder.message)


def text_for_mail(reminder: Reminder) -> str:
    """Return the text of a reminder for mails, which has counts and numbers but no names."""
    short = IN_MAIL.get(reminder.kind)
    return _text(reminder, short._args[0] if short is not None else reminder.message)


def _text(reminder: Reminder, message: str) -> str:
    values = dict(reminder.values)
    what = values.get("what")
    if what:
        values["what"] = gettext(what)
    return str(gettext(message, **values))
