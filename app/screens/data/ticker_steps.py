"""The regular tasks that fail, and those that went well again, as notes above the list of runs."""

from __future__ import annotations

import datetime as dt

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import labels
from app.jobs import health
from app.lib import clock
from app.models import TickerStep

NAMES = {
    "t1": lazy_gettext("Start of T+1 runs"),
    "pushes": lazy_gettext("Making of pushes"),
    "deliveries": lazy_gettext("Sending of deliveries"),
    "imports": lazy_gettext("Imports that wait"),
    "abandoned_imports": lazy_gettext("Imports that lost their worker"),
    "forgotten_uploads": lazy_gettext("Forgotten uploads"),
    "suppressions": lazy_gettext("End of do-not-disturb entries"),
    "approvals": lazy_gettext("Expiry of requests"),
    "assignment": lazy_gettext("Assignment of hits"),
    "escalation": lazy_gettext("Escalation of overdue hits"),
    "counts": lazy_gettext("Counts of hits"),
    "exports": lazy_gettext("Exports that wait"),
    "bulk_changes": lazy_gettext("Changes of many leads that wait"),
    "backtests": lazy_gettext("Back-tests that wait"),
    "change_log_jobs": lazy_gettext("Jobs on the change log that wait"),
    "reports": lazy_gettext("Weekly reports"),
    "outreach": lazy_gettext("Outreach that waits"),
    "reminders": lazy_gettext("Reminders"),
    "mails": lazy_gettext("Sending of mails"),
    "reminder_mails": lazy_gettext("Reminders by e-mail"),
    "change_log_months": lazy_gettext("Coming months of the change log"),
    "retention": lazy_gettext("Deletion of what is too old"),
}


def notes() -> list[str]:
    """A sentence for each of these tasks."""
    return [_said(step) for step in health.troubled(clock.now())]


def _said(step: TickerStep) -> str:
    name = str(NAMES.get(step.name, step.name))
    if step.failing_since is None:
        return _("%(task)s: went well again at %(when)s.", task=name, when=_moment(step.last_ok_at))
    return _(
        "%(task)s: fails since %(when)s (%(n)s times). %(error)s",
        task=name,
        when=_moment(step.failing_since),
        n=step.failures,
        error=step.last_error,
    )


def _moment(moment: dt.datetime | None) -> str:
    return f"{labels.local(moment):%Y-%m-%d %H:%M}" if moment else ""
