"""The weekly report as an e-mail: plain text, HTML with charts made of tables, and the PDF attached."""

from __future__ import annotations

import re
from email.message import EmailMessage
from typing import Any

from flask import current_app, render_template
from flask_babel import force_locale
from flask_babel import gettext as _

from app.jobs.leases import MAX_ATTEMPTS
from app.lib import mailer
from app.lib.mailer import MailError
from app.lib.pointers import to_row
from app.mails.sender import NotReady
from app.models import Mail, Staff, WeeklyReport
from app.reports import settings
from app.reports.pdf import pdf
from app.reports.wording import Document, document
from config import Settings

#: what a file name doesn't have on every system
_UNFIT = re.compile(r'[\s<>:"/\\|?*\x00-\x1f]+')


def compose(mail: Mail) -> EmailMessage:
    """Return the message of a queued mail.

    Raises NotReady until the report is created, and a permanent MailError when it can't be created or the
    receiver may not have it.
    """
    person, report = mail.person, mail.report
    if report is None or (report.made_at is None and report.attempts < MAX_ATTEMPTS):
        raise NotReady
    if report.made_at is None:
        raise MailError("the report could not be created: %(error)s", permanent=True, error=report.error)
    if not person.active or settings.obstacle(person) is not None:
        raise MailError("this person can no longer receive the report", permanent=True)
    if not settings.can_see(person, report):
        raise MailError("the branches this person can see have changed", permanent=True)
    return message(report, person, mail.key, current_app.config["SETTINGS"], test=mail.is_test)


def message(report: WeeklyReport, person: Staff, key: str, config: Settings, *, test: bool) -> EmailMessage:
    """Return the message in the receiver's language.

    Mail servers recognise a repeated message by ``key``.
    """
    with force_locale(person.language):
        text = document(report, person.language)
        # A branch's name may contain a line break, a mail header can't.
        scope = " ".join(text.scope.split())
        subject = _("Weekly marketing report %(period)s (%(scope)s)", period=text.period, scope=scope)
        mail = mailer.draft(key, [person.email], f"[{_('Test')}] {subject}" if test else subject, config)
        opens = {"public_url": config.public_url, "opens": to_row("weekly_report", report.id)}
        mail.set_content(render_template("reports/mail.txt", report=text, test=test, **opens))
        mail.add_alternative(html_page(text, test=test, **opens), subtype="html")
        mail.add_attachment(
            pdf(text), maintype="application", subtype="pdf", filename=file_name(report, "pdf")
        )
    return mail


def html_page(report: Document, *, test: bool = False, **opens: Any) -> str:
    """Return the report as a self-contained HTML page; ``opens`` are the values of a mail's link to it."""
    return render_template("reports/mail.html", report=report, test=test, **opens)


def file_name(report: WeeklyReport, ending: str) -> str:
    """Return the file name of a report in the current language."""
    scope = report.branch.name if report.branch else _("Whole bank")
    name = f"{_('Weekly marketing report')}-{report.week}-{scope}"
    return f"{_UNFIT.sub('-', name)}.{ending}"
